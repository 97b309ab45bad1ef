//! The canonical text of a thread's key: the one thing that keeps two threads of a sort from existing.

use std::collections::HashMap;

use proptest::prelude::{Strategy, prop, prop_assert_eq, prop_oneof, proptest};
use tidings_domain::context::ContextRef;
use tidings_domain::id::UserId;
use tidings_domain::text::ClientKey;
use tidings_domain::thread::ThreadKey;

/// Few words, among them those that the text itself uses: any confusion of two keys is then soon met.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "aa", "b", "/", ":", "pair", "direct"][..])
}

fn user() -> impl Strategy<Value = UserId> {
    word().prop_map(|text| text.parse().unwrap())
}

fn context() -> impl Strategy<Value = ContextRef> {
    let named = || (word(), word());
    (named(), prop::option::of(named())).prop_map(|((kind, id), parent)| ContextRef {
        kind: kind.parse().unwrap(),
        id: id.parse().unwrap(),
        parent: parent.map(|(kind, id)| (kind.parse().unwrap(), id.parse().unwrap())),
    })
}

fn key() -> impl Strategy<Value = ThreadKey> {
    prop_oneof![
        (user(), user()).prop_map(|(one, other)| ThreadKey::direct(one, other)),
        (context(), user(), user()).prop_map(|(of, one, other)| ThreadKey::pair(of, one, other)),
        context().prop_map(ThreadKey::Context),
        prop::collection::vec(word(), 1..4)
            .prop_map(|words| ThreadKey::Request(ClientKey::parse(&words.join(" ")).unwrap())),
    ]
}

proptest! {
    #[test]
    fn two_keys_have_one_text_only_when_they_are_one_key(keys in prop::collection::vec(key(), 2..200)) {
        let mut seen: HashMap<String, ThreadKey> = HashMap::new();
        for key in keys {
            let first = seen.entry(key.to_string()).or_insert_with(|| key.clone());
            prop_assert_eq!(&*first, &key, "both are {}", key);
        }
    }

    #[test]
    fn it_does_not_matter_who_opens(of in context(), one in user(), other in user()) {
        let direct = ThreadKey::direct(one.clone(), other.clone());
        prop_assert_eq!(&direct, &ThreadKey::direct(other.clone(), one.clone()));
        let pair = ThreadKey::pair(of.clone(), one.clone(), other.clone());
        prop_assert_eq!(&pair, &ThreadKey::pair(of, other, one));
    }

    #[test]
    fn the_text_gives_the_key_back(key in key()) {
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn the_text_is_one_line_of_single_spaces(key in key()) {
        let text = key.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        prop_assert_eq!(words.join(" "), text);
    }
}

/// Stores keep these texts: a change of them is a migration.
#[test]
fn the_texts_are_pinned() {
    let user = |text: &str| text.parse::<UserId>().unwrap();
    let campaign = ContextRef::new("campaign".parse().unwrap(), "7".parse().unwrap());
    let milestone = ContextRef {
        parent: Some(("contract".parse().unwrap(), "3".parse().unwrap())),
        ..ContextRef::new("milestone".parse().unwrap(), "9".parse().unwrap())
    };
    assert_eq!(ThreadKey::direct(user("zoe"), user("adam")).to_string(), "direct adam zoe");
    assert_eq!(ThreadKey::pair(campaign, user("b"), user("a")).to_string(), "pair campaign 7 : a b");
    assert_eq!(
        ThreadKey::pair(milestone.clone(), user("b"), user("a")).to_string(),
        "pair contract 3 / milestone 9 : a b"
    );
    assert_eq!(ThreadKey::Context(milestone).to_string(), "context contract 3 / milestone 9");
    let key = ClientKey::parse("  7 of  them").unwrap();
    assert_eq!(ThreadKey::Request(key).to_string(), "request   7 of  them");
}
