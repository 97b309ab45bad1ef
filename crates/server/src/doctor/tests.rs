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
    let found = examined([("TIDINGS_DATA_DIR", data.to_str().unwrap())].into()).await;
    for what in ["listen", "data folder", "database", "clock", "secret", "origins"] {
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
            ("JWT_SECRET", "your_secret_key_your_secret_key_your_secret_key"),
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
    assert!(!text.contains("your_secret_key"), "{text}");
}

#[tokio::test]
async fn a_public_address_without_a_secret_fails() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let found = examined([("TIDINGS_DATA_DIR", data), ("TIDINGS_LISTEN", "0.0.0.0:3000")].into()).await;
    assert_eq!(level(&found, "listen"), Level::Fail);
}
