//! What the transcripts of a dialect have touched.

use std::collections::{BTreeMap, BTreeSet};

use tidings_wire::{Dialect, Method, host};

/// Routes and events that occurred, and how they ended.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// By route: the statuses seen.
    routes: BTreeMap<String, BTreeSet<u16>>,
    /// By event: whether it was carried out, and whether it failed.
    events: BTreeMap<&'static str, BTreeSet<bool>>,
    heard: BTreeSet<String>,
    /// By the host API's answers: their codes.
    codes: BTreeSet<String>,
}

impl Coverage {
    pub(crate) fn route(&mut self, method: &str, path: &str, status: u16) {
        self.routes.entry(format!("{method} {path}")).or_default().insert(status);
    }

    pub(crate) fn event(&mut self, name: &'static str, done: bool) {
        self.events.entry(name).or_default().insert(done);
    }

    pub(crate) fn code(&mut self, code: &str) {
        self.codes.insert(code.to_owned());
    }

    pub(crate) fn heard(&mut self, event: &str) {
        if !self.heard.contains(event) {
            self.heard.insert(event.to_owned());
        }
    }

    /// What the table has and no transcript showed; what was heard and is not in the list.
    pub(crate) fn missing(&self, dialect: &Dialect, heard: &[&str]) -> Vec<String> {
        let routes = dialect.routes.iter().map(|route| (route.method, route.path));
        let mut missing = self.missing_routes(routes);
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

    /// As [`missing`](Self::missing), of the host API and its codes.
    pub(crate) fn missing_of_host(&self, codes: &[&str]) -> Vec<String> {
        let mut missing = self.missing_routes(host::ROUTES.iter().map(|route| (route.method, route.path)));
        missing.extend(
            codes.iter().filter(|code| !self.codes.contains(**code)).map(|code| format!("the code {code}")),
        );
        missing.extend(
            self.codes
                .iter()
                .filter(|code| !codes.contains(&code.as_str()))
                .map(|code| format!("the code {code} in the list of codes")),
        );
        missing
    }

    fn missing_routes(&self, routes: impl Iterator<Item = (Method, &'static str)>) -> Vec<String> {
        let mut missing = Vec::new();
        for (method, path) in routes {
            let name = format!("{} {path}", method.as_str());
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
        missing
    }
}
