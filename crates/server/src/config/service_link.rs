//! Variables that an orchestrator sets by itself about the services beside a container: Kubernetes' service links and
//! Docker's links. For a service called `tidings-server` some of them have the names of settings.

/// Whether a value is the address of a service, such as `tcp://10.0.0.1:3000`.
pub(super) fn is_address(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let port = rest.rsplit_once(':').map_or("", |(_, port)| port);
    ["tcp", "udp", "sctp"].contains(&scheme) && port.parse::<u16>().is_ok()
}

/// Whether a variable is one of those that are set for a service, by its name: `X_SERVICE_HOST`, `X_SERVICE_PORT` with
/// or without the name of a port, `X_PORT`, and `X_PORT_3000_TCP` with or without `_PROTO`, `_PORT`, `_ADDR`.
pub(super) fn is_name(name: &str) -> bool {
    let is_of_a_port = name.match_indices("_PORT_").any(|(at, part)| {
        let rest = name.get(at + part.len()..).unwrap_or_default();
        is_of_port(rest)
    });
    is_of_a_port
        || ["_SERVICE_HOST", "_PORT"].iter().any(|end| name.ends_with(end))
        || name.contains("_SERVICE_PORT_")
}

/// `3000_TCP`, `3000_TCP_PROTO`.
fn is_of_port(rest: &str) -> bool {
    let mut parts = rest.split('_');
    let is_port = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
    let is_protocol = parts.next().is_some_and(|protocol| ["TCP", "UDP", "SCTP"].contains(&protocol));
    let ends = ["", "PROTO", "PORT", "ADDR"].contains(&parts.next().unwrap_or_default());
    is_port && is_protocol && ends && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_is_known() {
        for name in [
            "TIDINGS_SERVICE_HOST",
            "TIDINGS_SERVICE_PORT",
            "TIDINGS_SERVICE_PORT_HTTP",
            "TIDINGS_PORT",
            "TIDINGS_PORT_3000_TCP",
            "TIDINGS_PORT_3000_TCP_PROTO",
            "TIDINGS_PORT_3000_TCP_PORT",
            "TIDINGS_SERVER_PORT_3000_TCP_ADDR",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in ["TIDINGS_PORTS", "TIDINGS_PORT_HTTP", "TIDINGS_LIMIT_SENDS", "TIDINGS_PORT_3000_TCP_X"] {
            assert!(!is_name(name), "{name}");
        }
        for address in ["tcp://10.0.0.1:3000", "udp://[fd00::1]:53"] {
            assert!(is_address(address), "{address}");
        }
        for other in ["3000", "http://10.0.0.1:3000", "tcp://10.0.0.1", "tcp://10.0.0.1:70000", "tcp"] {
            assert!(!is_address(other), "{other}");
        }
    }
}
