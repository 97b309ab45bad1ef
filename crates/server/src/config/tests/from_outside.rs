//! What other programs put into the environment and into files: line ends, the links of an orchestrator.

use super::{SECRET, from_env, problem};

#[test]
fn a_secret_is_taken_as_it_is_and_white_space_at_its_ends_is_told() {
    let with_newline = format!("{SECRET}\n");
    for name in ["JWT_SECRET", "TIDINGS_AUTH_SECRET"] {
        let loaded = from_env([(name, with_newline.as_str())]).unwrap();
        assert_eq!(loaded.config.auth.secret.as_ref().unwrap().as_bytes(), with_newline.as_bytes());
        assert!(loaded.warnings[0].contains(name) && loaded.warnings[0].contains("white space"));
        assert!(!loaded.warnings[0].contains(SECRET));
    }
    let loaded = from_env([("TIDINGS_AUTH_ISSUERS_APP_SECRET", with_newline.as_str())]).unwrap();
    let secret = loaded.config.auth.issuers[0].keys.secret().unwrap();
    assert_eq!(secret.as_bytes(), with_newline.as_bytes());
    assert!(loaded.warnings[0].contains("TIDINGS_AUTH_ISSUERS_APP_SECRET"));
    assert!(from_env([("JWT_SECRET", SECRET)]).unwrap().warnings.is_empty());
}

#[test]
fn the_line_end_of_a_file_is_no_part_of_a_secret_and_more_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    for (text, wanted) in [
        (format!("{SECRET}\n"), SECRET.to_owned()),
        (format!("{SECRET}\r\n"), SECRET.to_owned()),
        (format!("{SECRET} \n"), format!("{SECRET} ")),
    ] {
        std::fs::write(&path, text).unwrap();
        let loaded = from_env([("JWT_SECRET_FILE", path.to_str().unwrap())]).unwrap();
        assert_eq!(loaded.config.auth.secret.as_ref().unwrap().as_bytes(), wanted.as_bytes());
        assert_eq!(loaded.warnings.len(), usize::from(wanted != SECRET), "{:?}", loaded.warnings);
    }
}

/// A Kubernetes service called `tidings-server`, and one called `tidings`.
#[test]
fn what_kubernetes_sets_for_a_service_is_no_setting() {
    let loaded = from_env([
        ("TIDINGS_SERVER_PORT", "tcp://10.0.0.1:3000"),
        ("TIDINGS_SERVER_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("TIDINGS_SERVER_PORT_3000_TCP_ADDR", "10.0.0.1"),
        ("TIDINGS_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("TIDINGS_SERVICE_PORT_HTTP", "3000"),
        ("TIDINGS_PORT", "tcp://10.0.0.2:3000"),
        ("PORT", "8080"),
    ])
    .unwrap();
    assert_eq!(loaded.config.server.listen.port(), 8080, "the next place counts");
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].starts_with("TIDINGS_SERVER_PORT is ignored"), "{:?}", loaded.warnings);
    assert!(loaded.warnings[1].contains("TIDINGS_SERVICE_PORT_HTTP"), "{:?}", loaded.warnings);
    let alone = from_env([("PORT", "tcp://10.0.0.1:3000")]).unwrap();
    assert_eq!((alone.config.server.listen.port(), alone.warnings.len()), (3000, 1));
    // What an operator may have meant is still wrong.
    problem(from_env([("TIDINGS_SERVER_PORT", "http://10.0.0.1:3000")]), "server.port");
    problem(from_env([("PORT", "eighty")]), "server.port");
}
