//! The server does what its tests ask of it.

use tidings_throwaway_postgres::{Cluster, Options};

#[test]
fn a_killed_server_starts_again_with_what_it_had() {
    let options = Options {
        settings: vec!["max_connections = 33".to_owned()],
        environment: vec![("FROM_THE_MAKER".to_owned(), "here".to_owned())],
        cpu: Some(0),
    };
    let cluster = Cluster::start(&options).unwrap();
    let psql = |statements: &str| cluster.psql("postgres", statements).unwrap();
    assert_eq!(psql("show max_connections"), "33");
    assert_eq!(psql("show fsync"), "on");
    assert!(cluster.create_database("other").unwrap().ends_with("/other"));
    let asked =
        "create temp table told (told text); copy told from program 'echo $FROM_THE_MAKER'; table told";
    assert_eq!(psql(asked), "here");
    let before = cluster.pids().unwrap();
    assert!(before.len() > 3, "{before:?}");
    for pid in &before {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{status}");
    }
    cluster.kill().unwrap();
    cluster.control(&["start"]).unwrap();
    assert_eq!(psql("select count(*) from pg_database where datname = 'other'"), "1");
    let after = cluster.pids().unwrap();
    assert!(after.iter().all(|pid| !before.contains(pid)), "{before:?} {after:?}");
}
