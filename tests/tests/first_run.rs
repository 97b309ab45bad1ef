//! What somebody meets who has just built the binary: an empty folder, no configuration, what is printed is pasted.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidings_tests::{
    DEADLINE, Data, Pasted, Rest, Server, Socket, Store, User, Users, raw, stock_modules, tidings,
};

/// The binary without any configuration, in `folder`. Only the port is a free one instead of 3000, so that tests may
/// run beside each other.
fn bare(folder: &Path, args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(tidings()?);
    command.args(args).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDINGS_") {
            command.env_remove(name);
        }
    }
    command.env_remove("JWT_SECRET").env_remove("DATABASE_URL").env_remove("PORT");
    command.env("TIDINGS_LISTEN", "127.0.0.1:0");
    Ok(command)
}

/// Runs it to its end.
fn told(mut command: Command) -> anyhow::Result<Output> {
    command.output().with_context(|| format!("running {command:?}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines from the one that starts with `first` to the one that `last` accepts, that one too.
fn excerpt(printed: &[String], first: &str, last: impl Fn(&str) -> bool) -> Option<String> {
    let from = printed.iter().position(|line| line.starts_with(first))?;
    let lines = printed.get(from..)?;
    let to = lines.iter().position(|line| last(line))?;
    lines.get(..=to).map(|lines| lines.join("\n"))
}

#[test]
fn the_printed_curl_line_and_snippet_work_as_pasted() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::run(bare(folder.path(), &["serve"])?)?;
    let curl = server.log().wait(DEADLINE, |lines| excerpt(lines, "curl ", |line| !line.ends_with('\\')))?;
    let snippet = server.log().wait(DEADLINE, |lines| excerpt(lines, "node ", |line| line == "\""))?;
    ensure!(snippet.contains("socket.io-client"), "a snippet for stock clients:\n{snippet}");

    // In place of the npm install that the text asks for.
    symlink(stock_modules()?, folder.path().join("node_modules"))?;
    let listener = Pasted::run(&snippet, folder.path())?;
    let hears = |what: &str| {
        listener.log().wait(DEADLINE, |lines| lines.iter().any(|line| line.contains(what)).then_some(()))
    };
    hears("Hello from Socket.IO").context("the snippet hears its own message")?;
    let answer = Pasted::run(&curl, folder.path())?;
    answer
        .log()
        .wait(DEADLINE, |lines| {
            lines.iter().any(|line| line.contains("\"content\":\"Hello from curl\"")).then_some(())
        })
        .context("curl is answered with the message")?;
    hears("Hello from curl").context("the snippet hears the message that curl sent")
}

#[test]
fn an_empty_folder_gets_a_database_and_a_secret_that_outlive_the_server() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::run(bare(folder.path(), &["serve"])?)?;
    let secret = folder.path().join("data/secret");
    let database = folder.path().join("data/tidings.db");
    ensure!(database.is_file(), "no {}", database.display());
    let mode = fs::metadata(&secret)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the secret is for its owner alone, not {mode:o}");
    ensure!(fs::read(&secret)?.trim_ascii().len() >= 32, "a short secret");
    let kept = fs::read(&secret)?;
    ensure!(!server.log().text().contains(text(&kept).trim()), "the secret is not printed");

    let mint = |args: &[&str]| -> anyhow::Result<String> {
        let minted = told(bare(folder.path(), &[&["token", "mint"], args].concat())?)?;
        ensure!(minted.status.success(), "{}", text(&minted.stderr));
        Ok(text(&minted.stdout).trim().to_owned())
    };
    let user = |token| User { id: "zoe", role: "ADVERTISER", name: "Zoë", token };
    let zoe = user(mint(&["--user", "zoe", "--role", "ADVERTISER", "--name", "Zoë"])?);
    let asked = json!({ "campaignId": "first", "promoterId": "yan", "advertiserId": "zoe" });
    let opened = Rest::of(server.address(), &zoe).post("/messaging/threads", &asked)?;
    ensure!(opened.status == 201, "{opened:?}");
    ensure!(server.stop(DEADLINE)?.success());

    let server = Server::run(bare(folder.path(), &["serve"])?)?;
    ensure!(fs::read(&secret)? == kept, "a second run keeps the secret");
    let listed = Rest::of(server.address(), &zoe).get("/messaging/threads")?;
    ensure!(listed.json()?.as_array().is_some_and(|threads| threads.len() == 1), "{listed:?}");
    Socket::connect(server.address(), &zoe)?;
    Ok(())
}

#[test]
fn minted_tokens_say_what_was_asked() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let args = [
        "token", "mint", "--user", "u1", "--role", "brand", "--name", "Bränd", "--claim", "tier=3",
        "--claim", "org=acme", "--ttl", "90s",
    ];
    let with_secret = |args: &[&str]| -> anyhow::Result<Output> {
        let mut command = bare(folder.path(), args)?;
        command.env("JWT_SECRET", tidings_tests::SECRET);
        told(command)
    };
    let minted = with_secret(&args)?;
    ensure!(minted.status.success(), "{}", text(&minted.stderr));
    ensure!(text(&minted.stdout).lines().count() == 1, "the token alone, to be used in a script");
    let token = text(&minted.stdout);
    let claims = claims(&token)?;
    ensure!(claims.to_string().contains("Bränd") && claims.to_string().contains("\"brand\""), "{claims}");
    ensure!(claims.get("tier") == Some(&json!(3)) && claims.get("org") == Some(&json!("acme")), "{claims}");
    let number =
        |name: &str| claims.get(name).and_then(Value::as_i64).with_context(|| format!("no {name}: {claims}"));
    ensure!(number("exp")? - number("iat")? == 90, "{claims}");

    let wrong: [&[&str]; 6] = [
        &["--user", "u1"],
        &["--user", "", "--role", "brand"],
        &["--user", "two words", "--role", "brand"],
        &["--user", "u1", "--role", "brand", "--ttl", "soon"],
        &["--user", "u1", "--role", "brand", "--claim", "novalue"],
        &["--user", "u1", "--role", "brand", "--bogus"],
    ];
    for args in wrong {
        let refused = with_secret(&[&["token", "mint"], args].concat())?;
        ensure!(!refused.status.success(), "{args:?} was taken: {}", text(&refused.stdout));
        ensure!(
            refused.stdout.is_empty() && !refused.stderr.is_empty(),
            "{args:?}: the reason goes to standard error"
        );
    }
    Ok(())
}

/// A token that no server takes is worse than none, and a secret that nobody asked for is worse still.
#[test]
fn minting_without_a_secret_says_where_one_was_looked_for_and_makes_none() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let refused = told(bare(folder.path(), &["token", "mint", "--user", "u1", "--role", "brand"])?)?;
    let said = text(&refused.stderr);
    ensure!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    for needed in ["JWT_SECRET", "--data-dir", "tidings serve"] {
        ensure!(said.contains(needed), "{said}");
    }
    let looked = folder.path().canonicalize()?.join("data/secret");
    ensure!(said.contains(&looked.display().to_string()), "{said}");
    ensure!(fs::read_dir(folder.path())?.next().is_none(), "nothing is left behind");
    Ok(())
}

/// A start that fails leaves no database and no secret behind; `doctor` says the same before.
#[test]
fn a_start_that_fails_leaves_nothing_behind() -> anyhow::Result<()> {
    let other = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = other.local_addr()?.to_string();
    // Whoever asks it what it is gets no answer.
    std::thread::spawn(move || while other.accept().is_ok() {});
    let folder = tempfile::tempdir()?;
    let run = |args: &[&str], settings: &[(&str, &str)]| -> anyhow::Result<Output> {
        let mut command = bare(folder.path(), args)?;
        command.envs(settings.iter().copied());
        told(command)
    };
    let repeated = "a".repeat(40);
    for settings in [
        [("TIDINGS_LISTEN", taken.as_str())].as_slice(),
        &[("TIDINGS_METRICS_LISTEN", &taken)],
        &[("JWT_SECRET", &repeated)],
        &[("TIDINGS_LISTEN", "0.0.0.0:0")],
        &[("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")],
    ] {
        let failed = run(&["serve"], settings)?;
        ensure!(!failed.status.success() && !failed.stderr.is_empty(), "{settings:?}: {failed:?}");
        let left: Vec<_> = fs::read_dir(folder.path())?.collect();
        ensure!(left.is_empty(), "{settings:?} left {left:?} behind");
    }
    let examined = run(&["doctor"], &[("TIDINGS_LISTEN", &taken)])?;
    let report = text(&examined.stdout);
    ensure!(!examined.status.success(), "{report}");
    ensure!(report.contains(&format!("FAIL  listen: another program listens on {taken}")), "{report}");
    Ok(())
}

/// Libraries repeat a cause in the text of the error that it caused; a person reads it once.
#[test]
fn a_start_that_fails_says_why_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("text.db"), "This is no database. ".repeat(100))?;
    fs::create_dir(folder.path().join("folder.db"))?;
    for (url, why) in [
        ("sqlite:text.db", "file is not a database"),
        ("sqlite:folder.db", "Is a directory"),
        ("postgres://nobody@127.0.0.1:1/nothing", "Connection refused"),
    ] {
        let mut command = bare(folder.path(), &["serve"])?;
        command.env("DATABASE_URL", url);
        let failed = told(command)?;
        let said = text(&failed.stderr);
        ensure!(!failed.status.success() && said.matches(why).count() == 1, "{url}: {said}");
    }
    Ok(())
}

#[test]
fn doctor_knows_a_tidings_server_where_it_would_listen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::run(bare(folder.path(), &["serve"])?)?;
    let address = server.address().to_string();
    let examined = told(bare(folder.path(), &["doctor", "--listen", &address])?)?;
    let report = text(&examined.stdout);
    ensure!(report.contains(&format!("warn  listen: a Tidings server listens on {address}")), "{report}");
    ensure!(examined.status.success(), "{report}");
    Ok(())
}

#[test]
fn the_log_says_first_what_was_started() -> anyhow::Result<()> {
    let data = Data::new(Store::Sqlite)?;
    let out = fs::File::create(data.path().join("stdout"))?;
    // Of the log alone, so that the lines on standard output are not taken for it.
    let server = Server::run_with_stdout(Server::command(&[], &data)?, out.into())?;
    let log = server.log().text();
    let started = format!("listening on http://{}", server.address());
    let line = log.lines().find(|line| line.contains(&started)).context("no such line")?;
    let store = format!("store=\"sqlite:{}\"", data.database().display());
    for wanted in
        [store.as_str(), "dialects=\"campaign\"", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")]
    {
        ensure!(line.contains(wanted), "{wanted} is not in {line}");
    }
    Ok(())
}

/// The payload of a token, unverified.
fn claims(token: &str) -> anyhow::Result<Value> {
    let payload = token.split('.').nth(1).context("not a token")?;
    let decode = "process.stdout.write(Buffer.from(process.argv[1], 'base64url'))";
    let decoded = Command::new("node").args(["-e", decode, payload]).output()?;
    Ok(serde_json::from_slice(&decoded.stdout)?)
}

#[test]
fn what_cannot_work_is_said_at_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let refuse = |mut command: Command, needles: &[&str]| -> anyhow::Result<()> {
        let shown = format!("{command:?}");
        // A server that starts after all would never end.
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn()?;
        let log = tidings_tests::Log::of(&mut child);
        let ended = log.closed(DEADLINE);
        let _gone = child.kill();
        let status = child.wait()?;
        ensure!(ended && !status.success(), "{shown} should have ended with an error: {}", log.text());
        for needle in needles {
            ensure!(log.text().contains(needle), "{shown} should have named {needle}: {}", log.text());
        }
        Ok(())
    };
    let mut weak = bare(folder.path(), &["serve"])?;
    weak.env("JWT_SECRET", "short");
    refuse(weak, &["JWT_SECRET", "32"])?;
    let mut weak = bare(folder.path(), &["token", "mint", "--user", "u", "--role", "r"])?;
    weak.env("JWT_SECRET", "short");
    refuse(weak, &["JWT_SECRET", "32"])?;
    refuse(bare(folder.path(), &["serve", "--database-url", "mysql://x"])?, &["sqlite:", "memory:"])?;
    refuse(bare(folder.path(), &["serve", "--listen", "nowhere"])?, &["--listen"])?;

    let data = Data::new(Store::Memory)?;
    let first = Server::start(&data)?;
    let taken = first.address().to_string();
    refuse(bare(folder.path(), &["serve", "--database-url", "memory:", "--listen", &taken])?, &[&taken])?;

    fs::write(
        folder.path().join("not-a-database.db"),
        "this is not a database, it only has its name".repeat(50),
    )?;
    refuse(
        bare(folder.path(), &["serve", "--database-url", "sqlite:not-a-database.db"])?,
        &["not-a-database.db"],
    )
}

#[test]
fn a_stop_is_graceful() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(Store::Sqlite)?;
    let server = Server::start(&data)?;
    let address = server.address();
    let asked = json!({ "campaignId": "stop", "promoterId": users.bob.id, "advertiserId": users.alice.id });
    let thread = Rest::of(address, &users.alice).post("/messaging/threads", &asked)?.json()?;
    let thread = thread.get("id").and_then(Value::as_str).context("no thread")?.to_owned();
    // An idle keep-alive connection and an idle socket hold nothing up.
    let _idle = std::net::TcpStream::connect(address)?;
    let _quiet = Socket::connect(address, &users.bob)?;
    let mut sender = Socket::connect(address, &users.alice)?;
    let payload = |number: usize| json!({ "threadId": thread, "content": format!("until the end {number}") });
    // One ack, so that the stop meets a server at work.
    let id = sender.emit("sendMessage", &payload(0))?;
    sender.ack(id)?;
    let acked = std::thread::scope(|scope| -> anyhow::Result<usize> {
        let sending = scope.spawn(|| {
            let sent =
                |number| sender.emit("sendMessage", &payload(number)).and_then(|id| sender.ack(id)).is_ok();
            (1..100_000)
                .take_while({
                    let mut sent = sent;
                    move |number| sent(*number)
                })
                .count()
        });
        let status = server.stop(DEADLINE)?;
        ensure!(status.success(), "ended with {status}");
        sending.join().map_err(|_| anyhow::anyhow!("the sender panicked"))
    })?;
    ensure!(raw(address, b"GET /healthz HTTP/1.1\r\n\r\n").is_err(), "nobody listens any more");
    let server = Server::start(&data)?;
    let path = format!("/messaging/threads/{thread}/messages?limit=500");
    let mut stored = 0;
    for page in 1.. {
        let messages = Rest::of(server.address(), &users.bob).get(&format!("{path}&page={page}"))?.json()?;
        match messages.as_array().map_or(0, Vec::len) {
            0 => break,
            some => stored += some,
        }
    }
    // The one that was under way at the end may have been stored without its ack.
    ensure!(stored == acked + 1 || stored == acked + 2, "{} acked, {stored} stored", acked + 1);
    Ok(())
}

#[test]
fn memory_forgets_and_health_is_told() -> anyhow::Result<()> {
    let users = Users::mint()?;
    let data = Data::new(Store::Memory)?;
    let server = Server::start(&data)?;
    for path in ["/healthz", "/readyz"] {
        ensure!(Rest::anonymous(server.address()).get(path)?.status == 200, "{path}");
    }
    let asked = json!({ "campaignId": "forget", "promoterId": users.bob.id, "advertiserId": users.alice.id });
    ensure!(Rest::of(server.address(), &users.alice).post("/messaging/threads", &asked)?.status == 201);
    server.stop(DEADLINE)?;
    let server = Server::start(&data)?;
    let listed = Rest::of(server.address(), &users.alice).get("/messaging/threads")?;
    ensure!(listed.json()? == json!([]), "{listed:?}");
    Ok(())
}
