//! The documentation of the settings, from the settings themselves.

use std::fmt::{self, Write};

use super::key::Key;
use super::keys;

/// A configuration file with every setting at its default.
pub(crate) fn example() -> String {
    written(&mut write_example)
}

/// The tables of `docs/configuration.md`.
pub(crate) fn reference() -> String {
    written(&mut write_reference)
}

fn written(write: &mut dyn FnMut(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    // A `String` takes everything.
    let _infallible = write(&mut text);
    text
}

fn write_example(out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "# Every setting of Tidings with its default. `tidings config check --config FILE` tells what is wrong"
    )?;
    writeln!(
        out,
        "# with a file, `tidings config show` what counts in the end; docs/configuration.md explains more."
    )?;
    let mut section = "";
    for key in keys() {
        let (parent, name) = key.split();
        let is_named = key.name.contains('*');
        if parent != section {
            section = parent;
            let dash = if is_named { "# " } else { "" };
            writeln!(out, "\n{dash}[{}]", parent.replace('*', "app"))?;
            if is_named {
                writeln!(out, "# As many of these as there are issuers, each with a name of its own.")?;
            }
        }
        for line in wrapped(&key.about.replace('`', ""), 100) {
            writeln!(out, "# {line}")?;
        }
        match key.default {
            Some(default) if !is_named => writeln!(out, "{name} = {default}")?,
            _ => writeln!(out, "# {name} = {}", key.example)?,
        }
    }
    Ok(())
}

fn write_reference(out: &mut String) -> fmt::Result {
    let mut section = "";
    for key in keys() {
        let (parent, name) = key.split();
        if parent != section {
            section = parent;
            writeln!(out, "\n### `[{}]`\n", parent.replace('*', "NAME"))?;
            writeln!(
                out,
                "| key | default | also set by | what it does; what is taken |\n|---|---|---|---|"
            )?;
        }
        let default = key.default.map_or_else(|| "not set".to_owned(), |text| format!("`{text}`"));
        writeln!(
            out,
            "| `{name}` | {default} | {} | {} Expected: {}. |",
            others(key),
            key.about,
            key.expected
        )?;
    }
    Ok(())
}

/// The variables and the option that set a key.
fn others(key: &'static Key) -> String {
    let place = key.of("NAME");
    let names = place.env.iter().flat_map(|name| {
        let file = key.has_file.then(|| format!("`{name}_FILE`"));
        [Some(format!("`{name}`")), file].into_iter().flatten()
    });
    let flag = key.flag.map(|flag| format!("`{flag}`"));
    flag.into_iter().chain(names).collect::<Vec<_>>().join(", ")
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
