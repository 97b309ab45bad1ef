//! What is wrong with a JSON value that does not fit its type, in words for people.
//!
//! The parser's own messages name its types and positions. So a payload that did not fit is read once more, with an
//! error type that keeps what was expected and where. Only refused payloads pay for it; nothing is built in memory.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde_json::value::RawValue;

use super::Field;

/// How much of a name that a client made up is repeated to it, in characters.
const ECHO_CHARS_MAX: usize = 64;

/// What is expected of an object with a name that is no text, such as half of a surrogate pair.
const WITH_NAMES: &str = "an object whose names are texts";

/// A value that does not fit, and where it stands.
#[derive(Debug)]
pub(super) struct Misfit {
    /// From the outermost to the innermost step: `.name` or `[3]`, in reverse order.
    steps: Vec<Step>,
    what: What,
}

#[derive(Debug)]
enum Step {
    Field(String),
    Index(usize),
}

#[derive(Debug)]
enum What {
    /// It is of another kind: text, number, list…
    Kind(Option<&'static str>),
    Missing(&'static str),
    Twice(&'static str),
    Unknown(String),
    OneOf(&'static [&'static str]),
}

impl Misfit {
    /// Why `json` is no `T`, or `None` when that cannot be said.
    pub(super) fn of<'de, T: Deserialize<'de>>(json: &'de str) -> Option<Self> {
        let raw: &RawValue = serde_json::from_str(json).ok()?;
        T::deserialize(Raw(raw)).err()
    }

    /// As a sentence. `fields` says what is expected of the fields of that name.
    pub(super) fn sentence(&self, whole: &str, fields: &[Field]) -> String {
        let path = self.path();
        let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let expected =
            |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.expected);
        match &self.what {
            What::Kind(kind) => {
                let known = match self.steps.first() {
                    Some(Step::Field(name)) => expected(name),
                    Some(Step::Index(_)) | None => None,
                };
                let expected = known.or(*kind).unwrap_or("of another kind");
                let path = if path.is_empty() { whole } else { &path };
                format!("{path} must be {expected}")
            }
            What::Missing(name) => match expected(name) {
                Some(expected) => format!("{} is missing: it must be {expected}", inner(name)),
                None => format!("{} is missing", inner(name)),
            },
            What::Twice(name) => format!("{} is given twice", inner(name)),
            What::Unknown(name) => format!("there is no field {}", inner(name)),
            What::OneOf(choices) => format!("{path} must be one of: {}", choices.join(", ")),
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path.extend([".", name]),
                Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            }
        }
        path
    }

    const fn kind(kind: Option<&'static str>) -> Self {
        Self { steps: Vec::new(), what: What::Kind(kind) }
    }

    /// With what was asked for, if it is the value itself that does not fit and nobody has said so.
    fn or_kind(mut self, asked: &'static str) -> Self {
        if self.steps.is_empty() && matches!(self.what, What::Kind(None)) {
            self.what = What::Kind(Some(asked));
        }
        self
    }

    fn within(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence("the value", &[]))
    }
}

impl std::error::Error for Misfit {}

impl Error for Misfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::kind(None)
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::kind(None)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self { steps: Vec::new(), what: What::OneOf(expected) }
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        let named = field.chars().take(ECHO_CHARS_MAX).collect();
        Self { steps: Vec::new(), what: What::Unknown(named) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { steps: Vec::new(), what: What::Missing(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { steps: Vec::new(), what: What::Twice(field) }
    }
}

/// A value, known to be JSON.
struct Raw<'de>(&'de RawValue);

impl<'de> Raw<'de> {
    fn visit<V: Visitor<'de>>(self, visitor: V, asked: &'static str) -> Result<V::Value, Misfit> {
        let mut misfit = None;
        let mut json = serde_json::Deserializer::from_str(self.0.get());
        let read = json.deserialize_any(Bridge { visitor, misfit: &mut misfit });
        read.map_err(|_| misfit.unwrap_or(Misfit::kind(None)).or_kind(asked))
    }
}

macro_rules! asked {
    ($($kind:literal: $($method:ident)*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.visit(visitor, $kind)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for Raw<'de> {
    type Error = Misfit;

    asked! {
        "a text": deserialize_str deserialize_string deserialize_char deserialize_identifier
            deserialize_bytes deserialize_byte_buf;
        "true or false": deserialize_bool;
        "a number": deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
            deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64;
        "a list": deserialize_seq;
        "an object": deserialize_map;
        "null": deserialize_unit;
        "of another kind": deserialize_any;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.0.get() == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.visit(visitor, "an object")
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.visit(visitor, "a list")
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.visit(visitor, "a list")
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.visit(visitor, "null")
    }

    /// A value that is kept as it stands asks for itself by such a name.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.0.deserialize_newtype_struct(name, visitor).map_err(|_| Misfit::kind(None))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let one_of = |_| Misfit { steps: Vec::new(), what: What::OneOf(variants) };
        let name: String = serde_json::from_str(self.0.get()).map_err(one_of)?;
        let name: StrDeserializer<'_, Misfit> = name.as_str().into_deserializer();
        visitor.visit_enum(name)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }
}

/// Shows a value to its visitor, and keeps what it says when it does not fit: the parser keeps only words.
struct Bridge<'m, V> {
    visitor: V,
    misfit: &'m mut Option<Misfit>,
}

impl<V> Bridge<'_, V> {
    fn keep<T, E: Error>(misfit: &mut Option<Misfit>, result: Result<T, Misfit>) -> Result<T, E> {
        result.map_err(|error| {
            *misfit = Some(error);
            E::custom("does not fit")
        })
    }
}

macro_rules! shown {
    ($($method:ident($($value:ident: $of:ty)?);)*) => {$(
        fn $method<E: Error>(self $(, $value: $of)?) -> Result<V::Value, E> {
            Self::keep(self.misfit, self.visitor.$method($($value)?))
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bridge<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    shown! {
        visit_bool(value: bool);
        visit_i64(value: i64);
        visit_u64(value: u64);
        visit_f64(value: f64);
        visit_str(value: &str);
        visit_borrowed_str(value: &'de str);
        visit_unit();
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        Self::keep(self.misfit, self.visitor.visit_seq(Items { items, index: 0 }))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        Self::keep(self.misfit, self.visitor.visit_map(Fields { fields, name: String::new() }))
    }
}

struct Items<A> {
    items: A,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<A> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let raw = self.items.next_element::<&'de RawValue>().map_err(|_| Misfit::kind(None))?;
        let Some(raw) = raw else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Raw(raw)).map(Some).map_err(|misfit| misfit.within(Step::Index(index)))
    }
}

struct Fields<A> {
    fields: A,
    /// Of the value that comes next.
    name: String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<A> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let name = self.fields.next_key::<String>().map_err(|_| Misfit::kind(Some(WITH_NAMES)))?;
        let Some(name) = name else { return Ok(None) };
        let key: StrDeserializer<'_, Misfit> = name.as_str().into_deserializer();
        let key = seed.deserialize(key)?;
        self.name = name;
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let raw = self.fields.next_value::<&'de RawValue>().map_err(|_| Misfit::kind(None))?;
        let named = || Step::Field(self.name.chars().take(ECHO_CHARS_MAX).collect());
        seed.deserialize(Raw(raw)).map_err(|misfit| misfit.within(named()))
    }
}
