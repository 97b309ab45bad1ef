//! What the transcripts of a dialect have touched.

use std::collections::{BTreeMap, BTreeSet};

use tidings_wire::Dialect;

/// Routes and events that occurred, and how they ended.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// By route: the statuses seen.
    routes: BTreeMap<String, BTreeSet<u16>>,
    /// By event: whether it was carried out, and whether it failed.
    events: BTreeMap<&'static str, BTreeSet<bool>>,
    heard: BTreeSet<String>,
}

impl Coverage {
    pub(crate) fn route(&mut self, method: &str, path: &str, status: u16) {
        self.routes.entry(format!("{method} {path}")).or_default().insert(status);
    }

    pub(crate) fn event(&mut self, name: &'static str, done: bool) {
        self.events.entry(name).or_default().insert(done);
    }

    pub(crate) fn heard(&mut self, event: &str) {
        if !self.heard.contains(event) {
            self.heard.insert(event.to_owned());
        }
    }

    /// What the table has and no transcript showed; what was heard and is not in the list.
    pub(crate) fn missing(&self, dialect: &Dialect, heard: &[&str]) -> Vec<String> {
        let mut missing = Vec::new();
        for route in dialect.routes {
            let name = format!("{} {}", route.method.as_str(), route.path);
            let statuses = self.routes.get(&name).cloned().unwrap_or_default();
            // A good request, a bad one, and a store that does not answer.
            for (what, wanted) in
                [("succeeding", 200..300), ("being refused", 400..500), ("failing", 500..600)]
            {
                if !statuses.iter().any(|status| wanted.contains(status)) {
                    missing.push(format!("{name} {what}"));
                }
            }
        }
        for inbound in dialect.socket.inbound {
            let seen = |done| self.events.get(inbound.name).is_some_and(|ends| ends.contains(&done));
            for (what, done) in [("succeeding", true), ("failing", false)] {
                if !seen(done) {
                    missing.push(format!("the event {} {what}", inbound.name));
                }
            }
        }
        missing.extend(
            heard
                .iter()
                .filter(|name| !self.heard.contains(**name))
                .map(|name| format!("{name} being heard")),
        );
        missing.extend(
            self.heard
                .iter()
                .filter(|name| !heard.contains(&name.as_str()))
                .map(|name| format!("{name} in the list of what is heard")),
        );
        missing
    }
}
