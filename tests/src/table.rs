//! The tables of what can be asked of the server, so that no scenario has to keep a list of its own.

use serde_json::{Value, json};
use tidings_wire::{Dialect, campaign, host};

/// The routes and events of the campaign dialect, and the routes of the host API.
#[must_use]
pub fn table() -> Value {
    let routes: Vec<Value> = host::ROUTES
        .iter()
        .map(|route| json!({ "method": route.method.as_str(), "path": route.path, "about": route.about }))
        .collect();
    json!({ "campaign": dialect(&campaign::DIALECT), "host": { "prefix": host::PREFIX, "routes": routes } })
}

fn dialect(dialect: &Dialect) -> Value {
    let routes: Vec<Value> = dialect
        .routes
        .iter()
        .map(|route| json!({ "method": route.method.as_str(), "path": route.path, "about": route.about }))
        .collect();
    let events: Vec<Value> = dialect
        .socket
        .inbound
        .iter()
        .map(|event| json!({ "name": event.name, "about": event.about }))
        .collect();
    json!({
        "prefixes": dialect.prefixes,
        "namespace": dialect.socket.namespace,
        "routes": routes,
        "events": events,
    })
}
