mod from_outside;

use std::time::Duration;

use tidings_transport_ws::HubConfig;

use crate::auth::Algorithm;

use super::source::Origin;
use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn flags<const N: usize>(flags: [(&'static str, &str); N]) -> Flags {
    flags.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn from_file(text: &str, env: &Environment) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&flags([("--config", path.to_str().unwrap())]), env)
}

fn from_env<const N: usize>(env: [(&str, &str); N]) -> Result<Loaded, Problems> {
    Config::load(&Flags::new(), &env.into())
}

/// The problem with this setting, among those that there are.
fn problem(result: Result<Loaded, Problems>, what: &str) -> Problem {
    let problems = result.unwrap_err();
    let found = problems.0.iter().find(|problem| problem.what == what).cloned();
    found.unwrap_or_else(|| panic!("nothing about {what} in: {problems}"))
}

#[test]
fn nothing_given_is_the_demo() {
    let config = from_env([]).unwrap().config;
    assert!(config.is_demo() && config.unsafe_to_serve().is_none());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.server.data_dir, Path::new("data"));
    assert_eq!(config.origins(), Origins { loopback: true, exact: Vec::new() });
    assert_eq!(config.auth.leeway, Duration::from_secs(5));
    assert_eq!(config.hub().sockets_outlive_tokens, HubConfig::default().sockets_outlive_tokens);
    assert_eq!(config.hub().sockets_outlive_tokens, Duration::from_hours(24));
    assert!(config.store.url.is_none() && config.auth.issuers.is_empty());
}

#[test]
fn sockets_outlive_their_tokens_for_a_set_time_or_not_at_all() {
    for (given, meant) in
        [("off", Duration::ZERO), ("90m", Duration::from_mins(90)), ("365d", Duration::from_hours(8_760))]
    {
        let config = from_env([("TIDINGS_AUTH_SOCKETS_OUTLIVE_TOKENS", given)]).unwrap().config;
        assert_eq!(config.hub().sockets_outlive_tokens, meant, "{given}");
    }
    for wrong in ["0s", "366d", "for ever"] {
        problem(from_env([("TIDINGS_AUTH_SOCKETS_OUTLIVE_TOKENS", wrong)]), "auth.sockets_outlive_tokens");
    }
}

#[test]
fn the_stronger_place_counts() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n[store]\nqueue = 1\n[log]\nfilter = \"warn\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    let env =
        [("TIDINGS_LISTEN", "127.0.0.1:2"), ("TIDINGS_STORE_QUEUE", "2"), ("TIDINGS_CONFIG", "ignored")];
    let given = flags([("--listen", "127.0.0.1:3"), ("--config", path.to_str().unwrap())]);
    let loaded = Config::load(&given, &env.into()).unwrap();
    let config = &loaded.config;
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.store.queue, 2);
    assert_eq!(config.log.filter, "warn");
    let origin = |path: &str| loaded.shown.iter().find(|shown| shown.path == path).unwrap().origin.clone();
    assert_eq!(origin("server.listen"), Origin::Flag("--listen"));
    assert_eq!(origin("store.queue"), Origin::Environment("TIDINGS_STORE_QUEUE".to_owned()));
    assert_eq!(origin("log.filter"), Origin::File);
    assert_eq!(origin("log.format"), Origin::Default);
}

#[test]
fn a_port_alone_replaces_the_port() {
    let listen = |flag: Option<&str>, env: Environment| {
        let flags = flag.map(|flag| ("--listen", flag.to_owned())).into_iter().collect();
        Config::load(&flags, &env).unwrap().config.server.listen.to_string()
    };
    assert_eq!(listen(None, [("PORT", "8080")].into()), "127.0.0.1:8080");
    let both = [("PORT", "8080"), ("TIDINGS_LISTEN", "0.0.0.0:3000")];
    assert_eq!(listen(None, both.into()), "0.0.0.0:8080");
    assert_eq!(listen(Some("127.0.0.1:1"), both.into()), "127.0.0.1:1");
}

#[test]
fn the_names_of_other_stacks_are_honoured() {
    let config = from_env([
        ("ACCESS_TOKEN_SECRET", SECRET),
        ("CORS_ORIGIN", "http://localhost:3000,http://localhost:5173"),
        ("DATABASE_URL", "memory:"),
    ]);
    let config = config.unwrap().config;
    assert_eq!(config.auth.secret.as_ref().unwrap().as_bytes(), SECRET.as_bytes());
    assert_eq!(config.origins().exact, ["http://localhost:3000", "http://localhost:5173"]);
    assert_eq!(config.store.url, Some(StoreUrl::Memory));
    assert!(!config.is_demo());
    let checker = config.origins().checker();
    assert!(checker.allows("http://localhost:5173") && !checker.allows("http://localhost:5174"));
}

#[test]
fn secrets_may_be_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let path = path.to_str().unwrap();
    let by_env = from_env([("JWT_SECRET_FILE", path)]).unwrap();
    let by_file = from_file(&format!("[auth]\nsecret_file = {path:?}"), &Environment::default()).unwrap();
    for loaded in [by_env, by_file] {
        assert_eq!(loaded.config.auth.secret.as_ref().unwrap().as_bytes(), SECRET.as_bytes());
        assert!(!loaded.show().contains(SECRET));
    }
    problem(from_env([("JWT_SECRET_FILE", path), ("JWT_SECRET", SECRET)]), "auth.secret");
    problem(from_env([("JWT_SECRET_FILE", "/nowhere/secret")]), "auth.secret");
}

#[test]
fn every_problem_is_told_at_once_with_its_fix() {
    let file = r#"
        [server]
        listen = "localhost"
        lisen = "127.0.0.1:1"
        [stor]
        queue = 1
        [limits]
        frame = 65536
        sockets = 0
        [dialects.campaign]
        enabled = "maybe"
        [origins]
        allow = ["*"]
        [auth.issuers.a]
        [auth.issuers.b]
        secret = "hunter2hunter2"
        [auth.issuers.c]
        jwks_url = "http://id.example.org/keys"
    "#;
    let env = [("JWT_SECRET", "hunter2"), ("TIDINGS_LOG", "=,=")];
    let problems = from_file(file, &env.into()).unwrap_err();
    let whats: Vec<&str> = problems.0.iter().map(|problem| problem.what.as_str()).collect();
    for what in [
        "server.listen",
        "server.lisen",
        "stor.queue",
        "limits.frame",
        "limits.sockets",
        "dialects.campaign.enabled",
        "origins.allow",
        "auth.issuers.a",
        "auth.issuers.b.secret",
        "auth.issuers.c.jwks_url",
        "auth.secret",
        "log.filter",
    ] {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
    assert_eq!(whats.len(), 12, "{problems}");
    for problem in &problems.0 {
        assert!(
            ![&problem.found, &problem.expected, &problem.fix].iter().any(|text| text.is_empty()),
            "{problem}"
        );
    }
    let text = problems.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("JWT_SECRET") && text.contains("it has 7 bytes"), "{text}");
}

#[test]
fn the_largest_message_must_fit_into_the_memory_for_large_ones() {
    let wrong = problem(from_env([("TIDINGS_LIMITS_LARGE_FRAMES", "64KiB")]), "limits.large_frames");
    assert!(wrong.found.contains("limits.frame"), "{wrong}");
    problem(from_env([("TIDINGS_LIMITS_FRAME", "1GiB")]), "limits.large_frames");
    let env = [("TIDINGS_LIMITS_FRAME", "64KiB"), ("TIDINGS_LIMITS_LARGE_FRAMES", "64KiB")];
    assert!(from_env(env).is_ok());
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_quoting_it() {
    for line in [
        "secret = \"hunter2",
        "secret = hunter2",
        "secret = 'hunter2",
        "secret hunter2",
        "secret = \"\\hunter2\"",
    ] {
        let result = from_file(&format!("[auth]\n{line}\n"), &Environment::default());
        let text = result.unwrap_err().to_string();
        assert!(text.contains("config.toml:2\n") && !text.contains("hunter2"), "{text}");
    }
    let missing = from_env([("TIDINGS_CONFIG", "/nowhere/tidings.toml")]);
    problem(missing, "/nowhere/tidings.toml");
}

#[test]
fn variables_that_set_nothing_are_warned_of() {
    let loaded = from_env([("TIDINGS_LISSEN", "x"), ("TIDINGS_LISTEN", "127.0.0.1:0")]).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("TIDINGS_LISSEN"));
    let other = "another secret of more than thirty-two bytes";
    let loaded = from_env([("JWT_SECRET", SECRET), ("ACCESS_TOKEN_SECRET", other)]).unwrap();
    assert!(loaded.warnings[0].contains("ACCESS_TOKEN_SECRET is ignored"), "{:?}", loaded.warnings);
    assert!(!loaded.warnings[0].contains(other));
}

#[test]
fn what_is_shown_is_toml_with_origins_and_without_secrets() {
    let loaded = from_env([("JWT_SECRET", SECRET), ("CORS_ORIGINS", "https://app.example.org")]).unwrap();
    let shown = loaded.show();
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("allow = \"https://app.example.org\"  # CORS_ORIGINS"), "{shown}");
    assert!(shown.parse::<Table>().is_ok(), "{shown}");
    let url = from_env([("DATABASE_URL", "mysql://ada:hunter2@db/tidings?password=hunter2&a=b")]);
    let text = url.unwrap_err().to_string();
    assert!(text.contains("mysql://ada:***@db") && !text.contains("hunter2"), "{text}");
    let loaded =
        from_env([("DATABASE_URL", "postgres://ada:hunter2@db/tidings?password=hunter2&a=b")]).unwrap();
    let text = format!("{} {loaded:?}", loaded.show());
    assert!(text.contains("postgres://ada:***@db") && !text.contains("hunter2"), "{text}");
}

#[test]
fn others_may_not_reach_a_server_that_believes_nobody() {
    let config = from_env([("TIDINGS_LISTEN", "0.0.0.0:3000")]).unwrap().config;
    assert!(config.unsafe_to_serve().is_some() && !config.is_demo() && !config.origins().loopback);
    for env in [
        [("TIDINGS_LISTEN", "0.0.0.0:3000"), ("JWT_SECRET", SECRET)],
        [("TIDINGS_LISTEN", "0.0.0.0:3000"), ("TIDINGS_AUTH_ISSUERS_APP_FIREBASE", "my-project")],
    ] {
        let config = from_env(env).unwrap().config;
        assert!(config.unsafe_to_serve().is_none() && !config.is_demo());
    }
}

#[test]
fn an_issuer_is_read_from_the_file_and_the_environment() {
    let file = r#"
        [auth.issuers.my-app]
        issuer = "https://app.example.org"
        audience = ["a", "b"]
        user_claim = ["uid", "sub"]
        user_prefix = "app:"
        dialects = ["campaign"]
        service = true
    "#;
    let env = [
        ("TIDINGS_AUTH_ISSUERS_MY_APP_SECRET", SECRET),
        ("TIDINGS_AUTH_ISSUERS_FB_FIREBASE", "my-project"),
        ("TIDINGS_AUTH_ISSUERS_FB_SUBJECT", "directory"),
    ];
    let loaded = from_file(file, &env.into()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let [fb, app] = loaded.config.auth.issuers.as_slice() else { panic!("{:?}", loaded.config.auth.issuers) };
    assert_eq!((app.name.as_str(), app.algorithm, app.service), ("my-app", Algorithm::Hs256, true));
    assert_eq!(app.claims.user, ["uid", "sub"]);
    assert_eq!(
        app.subject,
        SubjectRule { by_directory: false, first_sight: true, prefix: "app:".to_owned() }
    );
    assert_eq!((fb.name.as_str(), fb.algorithm, fb.is_firebase), ("fb", Algorithm::Rs256, true));
    assert_eq!(fb.issuer.as_deref(), Some("https://securetoken.google.com/my-project"));
    assert_eq!(fb.audience, ["my-project"]);
    assert!(matches!(&fb.keys, KeySettings::Jwks(url) if url.scheme() == "https"));
    assert!(!fb.service);
}

#[test]
fn an_issuer_that_would_not_be_safe_is_refused() {
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let (private, public) = (pem.serialize_pem(), pem.public_key_pem());
    let cases = [
        ("algorithm = \"RS256\"\nsecret = \"0123456789abcdef0123456789abcdef\"".to_owned(), ""),
        ("algorithm = \"HS256\"\njwks_url = \"https://id.example.org/\"".to_owned(), ""),
        ("algorithm = \"none\"\njwks_url = \"https://id.example.org/\"".to_owned(), ".algorithm"),
        (format!("algorithm = \"HS256\"\npublic_key = \"\"\"{public}\"\"\""), ".public_key"),
        (format!("public_key = \"\"\"{public}\"\"\""), ""),
        (format!("algorithm = \"RS256\"\npublic_key = \"\"\"{public}\"\"\""), ".public_key"),
        (format!("algorithm = \"EdDSA\"\npublic_key = \"\"\"{private}\"\"\""), ".public_key"),
        (format!("secret = \"\"\"{public}\"\"\""), ".secret"),
        ("firebase = \"p\"\naudience = \"q\"".to_owned(), ""),
        ("firebase = \"../p\"".to_owned(), ".firebase"),
        (
            "jwks_url = \"https://id.example.org/\"\nsecret = \"0123456789abcdef0123456789abcdef\""
                .to_owned(),
            "",
        ),
        ("firebase = \"p\"\nsubject = \"directory\"\nfirst_sight = true".to_owned(), ""),
        ("firebase = \"p\"\ndialects = [\"klingon\"]".to_owned(), ".dialects"),
        ("firebase = \"p\"\nuser_prefix = \"a b\"".to_owned(), ".user_prefix"),
    ];
    for (text, what) in cases {
        let result = from_file(&format!("[auth.issuers.x]\n{text}"), &Environment::default());
        assert!(result.is_err(), "{text}");
        problem(result, &format!("auth.issuers.x{what}"));
    }
    let good = format!("[auth.issuers.x]\nalgorithm = \"EdDSA\"\npublic_key = \"\"\"{public}\"\"\"");
    assert!(from_file(&good, &Environment::default()).is_ok());
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    for wrong in [
        "*",
        "app.example.org",
        "https://app.example.org/",
        "https://*.example.org",
        "https://App.example.org",
        "https://app.example.org:443",
        "null",
    ] {
        problem(from_env([("CORS_ORIGINS", wrong)]), "origins.allow");
    }
    let config =
        from_env([("CORS_ORIGINS", "capacitor://localhost, https://a.org:8443,loopback")]).unwrap().config;
    assert_eq!(config.origins().exact, ["capacitor://localhost", "https://a.org:8443"]);
    assert!(config.origins().loopback);
}

#[test]
fn the_example_is_the_defaults_and_up_to_date() {
    let committed = include_str!("../../../../config.example.toml");
    assert_eq!(committed, example(), "run: tidings config example > config.example.toml");
    let loaded = from_file(committed, &Environment::default()).unwrap();
    let defaults = from_env([]).unwrap();
    let values = |loaded: &Loaded| -> Vec<(String, Option<String>)> {
        loaded.shown.iter().map(|shown| (shown.path.clone(), shown.value.clone())).collect()
    };
    assert_eq!(values(&loaded), values(&defaults));
    // With every comment that stands for a setting taken out, it is still a file that is understood, name by name.
    let all: String = committed.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    let problems = from_file(&all, &Environment::default()).unwrap_err();
    let unknown: Vec<&Problem> =
        problems.0.iter().filter(|problem| problem.found.contains("no setting")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn uncommented(line: &str) -> &str {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let is_setting =
        bare.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) || bare.starts_with('[');
    if is_setting { bare } else { line }
}

#[test]
fn the_documentation_has_every_setting() {
    let page = include_str!("../../../../docs/configuration.md");
    let tables =
        page.split_once("<!-- settings -->\n").and_then(|(_, rest)| rest.split_once("\n<!-- end -->"));
    let tables = tables.expect("the marks around the tables").0;
    assert_eq!(
        tables.trim(),
        reference().trim(),
        "put the output of `tidings config reference` between the marks"
    );
}

#[test]
fn every_default_and_example_is_toml() {
    for key in keys() {
        for text in key.default.into_iter().chain([key.example]) {
            assert!(format!("value = {text}").parse::<Table>().is_ok(), "{}: {text}", key.name);
        }
    }
}
