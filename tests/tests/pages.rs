//! Every command that the documentation shows does what the page says, run as it is printed.
//!
//! What a page cannot know is set by variables, as a reader would; where it shows the port 3000, a free one stands
//! instead, so that tests may run beside each other. `tests/node/walkthrough.mjs` follows the rest of the page about
//! moving a campaign system.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cargo_metadata::MetadataCommand;
use serde_json::{Value, json};
use tidings_tests::{DEADLINE, Data, Page, Rest, Server, Shell, Store, User, free_port, stock_modules};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn at(port: u16, text: &str) -> String {
    text.replace("3000", &port.to_string())
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A server in the shell's folder, with that shell's variables.
fn serving(shell: &Shell, port: u16) -> anyhow::Result<Server> {
    Server::run(shell.tidings(&["serve", "--listen", &address(port).to_string()]))
}

fn user(shell: &Shell, id: &'static str, role: &'static str) -> anyhow::Result<User> {
    let token = shell.run(&format!("tidings token mint --user {id} --role {role}"))?;
    Ok(User { id, role, name: id, token: token.trim().to_owned() })
}

/// A new page with commands needs a test here.
#[test]
fn every_page_with_commands_is_followed() -> anyhow::Result<()> {
    let mut with_commands = BTreeSet::new();
    for folder in ["", "docs"] {
        for entry in fs::read_dir(workspace().join(folder))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if name.ends_with(".md") && fs::read_to_string(&path)?.contains("```sh\n") {
                with_commands.insert(name);
            }
        }
    }
    let followed =
        ["README.md", "configuration.md", "migrating-from-campaign.md", "operating.md", "performance.md"];
    ensure!(with_commands == followed.map(str::to_owned).into(), "{with_commands:?}");
    Ok(())
}

#[test]
fn the_readme_works_as_printed() -> anyhow::Result<()> {
    let page = Page::read("README.md")?;
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let shell = Shell::new(folder.path())?;

    // Built without optimisation, as the tests have it already.
    let run = page.block("sh", "cargo run --release -- serve")?.replace(" --release", "");
    let run = format!("cd '{}' && {run}", workspace().display());
    let data = folder.path().join("run");
    let demo = shell.clone().with("TIDINGS_LISTEN", "127.0.0.1:0").with("TIDINGS_DATA_DIR", data);
    let demo = demo.paste(&run)?;
    demo.log()
        .wait(DEADLINE * 4, |lines| lines.iter().any(|line| line.starts_with("curl ")).then_some(()))?;
    drop(demo);
    // It would take minutes; that its arguments name a package with the command has to do.
    let install = page.block("sh", "cargo install")?;
    let path = install.trim().strip_prefix("cargo install --locked --path ").context("other arguments")?;
    let manifest = workspace().join(path).join("Cargo.toml").canonicalize()?;
    let metadata = MetadataCommand::new().manifest_path(&manifest).no_deps().exec()?;
    let package = metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == manifest);
    let targets = &package.context("no such package")?.targets;
    ensure!(targets.iter().any(|target| target.name == "tidings" && target.is_bin()), "{targets:?}");
    ensure!(workspace().join("Cargo.lock").exists(), "--locked needs it");
    is_task(page.block("sh", "cargo xtask test")?)?;

    let block = at(port, page.block("sh", "tidings serve")?);
    let pasted = shell.paste(&format!("{block}\necho\necho \"TOKEN $TOKEN\"; wait"))?;
    let (thread, token) = pasted.log().wait(DEADLINE, |lines| {
        let answer = lines.iter().find_map(|line| serde_json::from_str::<Value>(line).ok());
        let token = lines.iter().find_map(|line| line.strip_prefix("TOKEN "))?;
        Some((answer?["id"].as_str()?.to_owned(), token.to_owned()))
    })?;
    // The snippet is of a page that has these already.
    let given = format!(
        "const token = '{token}', threadId = '{thread}';\nconst show = ({{ content }}) => console.log('heard', content);\n"
    );
    let script = format!(
        "{given}{}\nconsole.log('sent', sent.success);",
        at(port, page.block("js", "socket.io-client")?)
    );
    fs::write(folder.path().join("page.mjs"), script)?;
    std::os::unix::fs::symlink(stock_modules()?, folder.path().join("node_modules"))?;
    let node = shell.paste("node page.mjs")?;
    node.log().wait(DEADLINE, |lines| lines.iter().any(|line| line == "sent true").then_some(()))?;
    page.all_tried(&["sh", "js"])
}

/// Whether these are tasks that there are.
fn is_task(commands: &str) -> anyhow::Result<()> {
    let tasks = fs::read_to_string(workspace().join("xtask/src/main.rs"))?;
    for line in commands.lines() {
        let task = line.strip_prefix("cargo xtask ").with_context(|| line.to_owned())?;
        let task = task.split_whitespace().next().unwrap_or_default();
        ensure!(tasks.contains(&format!("[\"{task}\"")), "xtask has no task {task}");
    }
    Ok(())
}

#[test]
fn the_benchmarks_of_the_page_are_there() -> anyhow::Result<()> {
    let page = Page::read("docs/performance.md")?;
    is_task(page.block("sh", "cargo xtask bench")?)?;
    // The command hands its options on; each is a field of the bench's command line.
    let options = fs::read_to_string(workspace().join("bench/src/main.rs"))?;
    for option in ["quick", "only", "rounds"] {
        ensure!(options.contains(&format!("\n    {option}: ")), "no option --{option}");
    }
    page.all_tried(&["sh"])
}

#[test]
fn the_page_about_configuration_works_as_printed() -> anyhow::Result<()> {
    let page = Page::read("docs/configuration.md")?;
    let folder = tempfile::tempdir()?;
    let shell = Shell::new(folder.path())?;
    let here = shell.clone().with("TIDINGS_LISTEN", "127.0.0.1:0");
    here.run(page.block("sh", "tidings config example")?)?;
    let listening = |text: &str| -> anyhow::Result<()> {
        let shell = shell.clone().with("TIDINGS_LISTEN", "127.0.0.1:0");
        let server = shell.paste(text)?;
        let is_up = |lines: &[String]| lines.iter().any(|line| line.contains("listening on")).then_some(());
        server.log().wait(DEADLINE, is_up)
    };
    listening(page.block("sh", "TIDINGS_LIMITS_SENDS=off")?)?;
    listening(page.block("sh", "TIDINGS_LOG=info,tidings::access=debug")?)?;
    page.all_tried(&["sh"])
}

const THREADS: usize = 2_000;

/// The original's tables, with so many threads of one advertiser.
const OLD: &str = "
create table message_threads (id uuid primary key, campaign_id uuid, subject text, created_at timestamp,
  advertiser_id uuid, promoter_id uuid);
create table messages (id uuid primary key, thread_id uuid, sender_id uuid, content text, created_at timestamp,
  is_read boolean);
insert into message_threads select gen_random_uuid(), gen_random_uuid(), 'Thread ' || n, '2025-08-08 09:00',
  '77aa0000-0000-4000-8000-000000000001', gen_random_uuid() from generate_series(1, 2000) n;
insert into messages select gen_random_uuid(), id, case when n = 3 then promoter_id else advertiser_id end,
  'message \"' || n || E'\" \\\\ \\n äöü', created_at + n * interval '1 minute', n < 2
  from message_threads, generate_series(1, 3) n;
insert into messages select gen_random_uuid(), t.id, advertiser_id, blank, t.created_at + n * interval '1 second', true
  from (select * from message_threads limit 20) t,
    (values (1, ''), (2, E' \n'), (3, '\u{200b}'), (4, '\u{2800}\u{3164}'), (5, '\u{ad}'), (6, null)) v (n, blank);
update message_threads set subject = ' \u{200b}' where subject like '%11';
update message_threads set subject = E'Two\nlines' where subject like '%12';
update message_threads set subject = '' where subject like '%13';
update message_threads set subject = repeat('long ', 100) where subject like '%14';
";

/// As a new user has it: the limits are at their defaults.
#[test]
fn a_history_of_two_thousand_threads_is_imported_by_the_page() -> anyhow::Result<()> {
    let page = Page::read("docs/migrating-from-campaign.md")?;
    let folder = tempfile::tempdir()?;
    let old = Data::new(Store::Postgres)?;
    let port = free_port()?;
    let shell = Shell::new(folder.path())?;
    let server = serving(&shell, port)?;
    let shell = shell.with("TIDINGS", format!("http://{}", address(port))).with("OLD_DATABASE", old.url());
    shell.run(&format!("psql \"$OLD_DATABASE\" -qX -v ON_ERROR_STOP=1 <<'SQL'\n{OLD}\nSQL"))?;
    let token = shell.run(&format!("{}\nprintf %s \"$SERVICE\"", page.block("sh", "token mint")?))?;
    let shell = shell.with("SERVICE", token);

    fs::write(folder.path().join("export.sql"), page.block("sql", "message_threads")?)?;
    fs::write(folder.path().join("import.sh"), page.block("sh", "set -eu")?)?;
    let import = page.block("sh", "sh import.sh\n")?;
    // The second time, all of it is known.
    for _ in 0..2 {
        shell.run(import)?;
    }
    let advertiser = user(&shell, "77aa0000-0000-4000-8000-000000000001", "ADVERTISER")?;
    let rest = Rest::of(server.address(), &advertiser);
    let mut seen = BTreeSet::new();
    for number in 1..=THREADS / 500 {
        let threads = rest.get(&format!("/messaging/threads?limit=500&page={number}"))?.json()?;
        for thread in threads.as_array().context("a list")? {
            ensure!(thread["unreadCount"] == 1, "the promoter's message was not read: {thread}");
            seen.insert(thread["id"].as_str().context("an id")?.to_owned());
        }
    }
    ensure!(seen.len() == THREADS, "{} of {THREADS} threads are there", seen.len());

    // A batch that is refused ends it, with the reason.
    fs::write(folder.path().join("export.sql"), "select '{\"id\": \"no id\"}'")?;
    let refused = shell.run(import).err().context("a thread that is none was imported")?.to_string();
    ensure!(refused.contains("\"code\":") && refused.contains("exit status: 1"), "{refused}");
    Ok(())
}

/// What the thread has, by whichever server.
fn contents(server: &Server, user: &User, thread: &str) -> anyhow::Result<Vec<String>> {
    let answer = Rest::of(server.address(), user).get(&format!("/messaging/threads/{thread}/messages"))?;
    ensure!(answer.status == 200, "{answer:?}");
    let messages = answer.json()?;
    let messages = messages.as_array().context("a list")?;
    Ok(messages.iter().rev().filter_map(|message| Some(message["content"].as_str()?.to_owned())).collect())
}

fn says(server: &Server, user: &User, thread: &str, content: &str) -> anyhow::Result<()> {
    let path = format!("/messaging/threads/{thread}/messages");
    let sent = Rest::of(server.address(), user).post(&path, &json!({ "content": content }))?;
    ensure!(sent.status == 201, "{sent:?}");
    Ok(())
}

#[test]
fn the_page_about_operating_works_as_printed() -> anyhow::Result<()> {
    let page = Page::read("docs/operating.md")?;
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let shell = Shell::new(folder.path())?.with("TIDINGS_LISTEN", address(port).to_string());

    let server = serving(&shell, port)?;
    let ada = user(&shell, "ada", "ADVERTISER")?;
    let asked = json!({ "campaignId": "c", "advertiserId": "ada", "promoterId": "ben" });
    let thread = Rest::of(server.address(), &ada).post("/messaging/threads", &asked)?.json()?;
    let thread = thread["id"].as_str().context("an id")?.to_owned();
    says(&server, &ada, &thread, "before the backup")?;
    shell.run(page.block("sh", ".backup")?)?;
    shell.run(page.block("sh", "vacuum into")?)?;
    // The demo has said something as well.
    let checked = shell.run(page.block("sh", "integrity_check")?)?;
    ensure!(checked.starts_with("ok\n") && checked.trim() != "ok\n0", "{checked}");
    says(&server, &ada, &thread, "after it")?;
    shell.run(&at(port, page.block("sh", "/readyz")?))?;
    shell.run(page.block("sh", "tidings healthcheck")?)?;
    server.stop(DEADLINE)?;

    shell.run(page.block("sh", "tidings doctor")?)?;
    shell.run(page.block("sh", "cp backup/tidings.db data/tidings.db")?)?;
    let server = serving(&shell, port)?;
    ensure!(contents(&server, &ada, &thread)? == ["before the backup"]);
    says(&server, &ada, &thread, "since")?;
    server.stop(DEADLINE)?;

    let (database, restored) = (Data::new(Store::Postgres)?, Data::new(Store::Postgres)?);
    // The secret is not copied, and stays where it was.
    let here = shell.with("DATABASE_URL", database.url()).with("RESTORED_URL", restored.url());
    let copied = here.run(page.block("sh", "tidings copy")?)?;
    ensure!(copied.contains("checked: both have"), "{copied}");
    here.run(page.block("sh", "store.migrate")?)?;
    here.run(page.block("sh", "pg_dump")?)?;
    let server = serving(&here, port)?;
    ensure!(contents(&server, &ada, &thread)? == ["before the backup", "since"]);
    says(&server, &ada, &thread, "after the dump")?;
    server.stop(DEADLINE)?;
    here.run(page.block("sh", "pg_restore")?)?;
    let server = serving(&here.with("DATABASE_URL", restored.url()), port)?;
    ensure!(contents(&server, &ada, &thread)? == ["before the backup", "since"]);
    page.all_tried(&["sh"])
}

/// The metrics that the page tells to watch are those of the configuration's page, which the server has.
#[test]
fn the_metrics_to_watch_are_there() -> anyhow::Result<()> {
    let page = fs::read_to_string(workspace().join("docs/operating.md"))?;
    let listed = fs::read_to_string(workspace().join("docs/configuration.md"))?;
    let sources = ["server/src/metrics.rs", "server/src/notices/mod.rs", "transport-http/src/meters.rs"];
    let sources: String = sources
        .iter()
        .map(|path| fs::read_to_string(workspace().join("crates").join(path)))
        .collect::<Result<_, _>>()?;
    let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let names: BTreeSet<&str> =
        page.split(|c: char| !is_of_name(c)).filter(|word| word.starts_with("tidings_")).collect();
    ensure!(names.len() > 6, "{names:?}");
    for name in names {
        ensure!(listed.contains(name), "docs/configuration.md does not list {name}");
        ensure!(sources.contains(name), "no source has {name}");
    }
    Ok(())
}
