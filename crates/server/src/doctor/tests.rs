use super::*;
use crate::config::{Environment, Flags};

async fn examined(env: Environment) -> Vec<Finding> {
    findings(&Config::load(&Flags::new(), &env).unwrap()).await
}

fn level(findings: &[Finding], what: &str) -> Level {
    findings.iter().find(|finding| finding.what == what).unwrap().level
}

#[tokio::test]
async fn a_fresh_folder_is_fine_and_nothing_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let env = [("TIDINGS_DATA_DIR", data.to_str().unwrap()), ("TIDINGS_LISTEN", "127.0.0.1:0")];
    let found = examined(env.into()).await;
    for what in ["listen", "data folder", "database", "files", "clock", "secret", "origins"] {
        assert_eq!(level(&found, what), Level::Ok, "{found:#?}");
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}

#[tokio::test]
async fn what_would_go_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("broken.db");
    std::fs::write(&database, "this is a text, not a database").unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let found = examined(
        [
            ("TIDINGS_DATA_DIR", file.join("data").to_str().unwrap()),
            ("DATABASE_URL", &format!("sqlite:{}", database.display())),
            ("TIDINGS_LISTEN", "0.0.0.0:3000"),
            ("CORS_ORIGINS", "loopback,http://app.example.org"),
            ("TIDINGS_LIMITS_SOCKETS", "1000000000000"),
            ("TIDINGS_AUTH_ISSUERS_ID_JWKS_URL", "http://127.0.0.1:9/jwks.json"),
            ("TIDINGS_AUTH_ISSUERS_ID_AUDIENCE", "tidings"),
            ("JWT_SECRET", "please change this secret of your app one day"),
        ]
        .into(),
    )
    .await;
    for (what, expected) in [
        ("data folder", Level::Fail),
        ("database", Level::Fail),
        ("issuer id", Level::Fail),
        ("secret", Level::Warn),
        ("origins", Level::Warn),
        ("open files", Level::Warn),
    ] {
        assert_eq!(level(&found, what), expected, "{what}: {found:#?}");
    }
    let text: String = found.iter().map(ToString::to_string).collect();
    assert!(!text.contains("please change"), "{text}");
}

#[tokio::test]
async fn a_public_address_without_a_secret_fails() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let found = examined([("TIDINGS_DATA_DIR", data), ("TIDINGS_LISTEN", "0.0.0.0:3000")].into()).await;
    assert_eq!(level(&found, "listen"), Level::Fail);
}

#[tokio::test]
async fn a_taken_port_is_found_and_so_is_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // It hangs up on whoever asks.
    let taken = other.local_addr().unwrap().to_string();
    let (ended, _wait) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || while other.accept().is_ok() && ended.send(()).is_ok() {});
    let env = [
        ("TIDINGS_DATA_DIR", data),
        ("TIDINGS_LISTEN", taken.as_str()),
        ("TIDINGS_METRICS_LISTEN", taken.as_str()),
    ];
    let found = examined(env.into()).await;
    for what in ["listen", "metrics.listen"] {
        let finding = found.iter().find(|finding| finding.what == what).unwrap();
        assert_eq!(finding.level, Level::Fail, "{found:#?}");
        assert!(finding.seen.contains(&taken) && finding.remedy.contains("ss -ltnp"), "{finding}");
    }
}

#[tokio::test]
async fn an_address_of_another_machine_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let env = [
        ("TIDINGS_DATA_DIR", folder.path().to_str().unwrap()),
        // For documentation alone (RFC 5737).
        ("TIDINGS_LISTEN", "192.0.2.1:3000"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ];
    let found = examined(env.into()).await;
    assert_eq!(level(&found, "listen"), Level::Fail, "{found:#?}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_that_others_may_read_are_found() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    for (name, mode) in [("tidings.db", 0o644), ("tidings.db-wal", 0o600), ("secret", 0o640)] {
        fs::write(data.join(name), "").unwrap();
        fs::set_permissions(data.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let env = [("TIDINGS_DATA_DIR", data.to_str().unwrap()), ("TIDINGS_LISTEN", "127.0.0.1:0")];
    let found = examined(env.into()).await;
    let finding = found.iter().find(|finding| finding.what == "files").unwrap();
    assert_eq!(finding.level, Level::Warn, "{found:#?}");
    let (database, secret) = (data.join("tidings.db"), data.join("secret"));
    assert_eq!(finding.remedy, format!("chmod 600 {} {}", database.display(), secret.display()));
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(level(&examined(env.into()).await, "files"), Level::Ok, "nobody gets into the folder");
}
