//! Every statement's plan on loaded data: none reads a whole table, so none grows with the number of messages.
//!
//! `TIDINGS_PLAN_MESSAGES=1000000` loads so many messages instead of a quick test's.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::cluster::Database;
use crate::open::options;
use crate::{about, directory, errands, jobs, list, load, numbers, read, transaction, transfer, write};

/// How many threads there are: enough for the planner to prefer indexes.
const THREADS: usize = 10_000;
/// How many messages a quick test loads.
const MESSAGES: usize = 50_000;
/// How many threads' messages are sent at once.
const CHUNK: usize = 100;

/// One user takes part in all threads; every hundredth thread has more than 16 members, as its rows say.
async fn fill(connection: &mut PgConnection, messages: usize) {
    use std::fmt::Write;
    let per_thread = messages / THREADS;
    let mut rows = String::new();
    for thread in 1..=THREADS {
        writeln!(
            rows,
            "{:032x}\t{thread}\tkey {thread}\tcampaign\tc{thread}\t2\t{per_thread}\t{thread}\t0\t1\t0\t0\t0",
            thread
        )
        .unwrap();
    }
    let columns = "thread (id, number, key, context_kind, context_id, member_count, last_seq, last_message_at, \
        last_number, modseq, fields_modseq, created_at, updated_at)";
    copy(connection, columns, &rows).await;
    rows.clear();
    for thread in 1..=THREADS {
        for user in ["busy".to_owned(), format!("user {thread}")] {
            let activity = if thread % 100 == 0 { "\\N".to_owned() } else { thread.to_string() };
            let fields = "member\t0\t0\t0\t0\t0\tf\tf\t0\t1\t1";
            writeln!(rows, "{thread:032x}\t{user}\t{fields}\t{activity}").unwrap();
        }
    }
    let columns = "member (thread_id, user_id, role, standing, read_seq, read_via, read_modseq, visible_from, \
        archived, muted, joined_at, joined_modseq, modseq, activity_at)";
    copy(connection, columns, &rows).await;
    let columns = "message (thread_id, seq, id, number, modseq, appended_modseq, sender, sender_role, body, \
        client_key, draft, imported, created_at, deleted_at)";
    for thread in 1..=THREADS {
        if thread % CHUNK == 1 {
            rows.clear();
        }
        for seq in 1..=per_thread {
            let number = thread * per_thread + seq;
            let deleted = if seq % 50 == 0 { "1" } else { "\\N" };
            writeln!(
                rows,
                "{thread:032x}\t{seq}\t{number:032x}\t{number}\t{seq}\t{seq}\tbusy\tmember\tbody {number}\tkey {seq}\
                 \t{number:032x}\tf\t{seq}\t{deleted}"
            )
            .unwrap();
        }
        if thread % CHUNK == 0 {
            copy(connection, columns, &rows).await;
        }
    }
    connection.execute(FEW).await.unwrap();
}

/// The other tables, without which their plans would say nothing.
const FEW: &str = "\
insert into summary (thread_id, modseq, id, author, text, key_points, action_items, created_at) \
  select t.id, n, gen_random_uuid(), 'busy', 'text', '[]', '[]', 0 from thread t, generate_series(1, 10) n; \
insert into job select gen_random_uuid(), 0, id, 1, '{}', number, number, 0 from thread; \
insert into person (id, number, name, told, updated_at) select 'user ' || number, number, 'name', false, 0 from thread; \
insert into subject select 'issuer', 'sub ' || number, 'user ' || number from thread; \
insert into context (key, kind, id, title, is_public, parties) \
  select 'campaign ' || number, 'campaign', number, 'title', true, '[]' from thread; \
analyze";

async fn copy(connection: &mut PgConnection, into: &str, rows: &str) {
    let mut copying = connection.copy_in_raw(&format!("copy {into} from stdin")).await.unwrap();
    copying.send(rows.as_bytes()).await.unwrap();
    copying.finish().await.unwrap();
}

/// A value of each type that arguments have. None of them matters to a generic plan.
fn value(type_name: &str) -> &'static str {
    match type_name {
        "uuid" => "'00000000-0000-0000-0000-000000000001'",
        "uuid[]" | "text[]" | "bigint[]" | "integer[]" | "smallint[]" | "boolean[]" => "'{}'",
        "text" => "'1'",
        "bigint" | "integer" | "smallint" => "1",
        "boolean" => "true",
        other => panic!("no value for {other}"),
    }
}

async fn plan(connection: &mut PgConnection, statement: &str) -> Vec<String> {
    let prepared = AssertSqlSafe(format!("prepare one as {statement}"));
    connection.execute(prepared).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    let types: Vec<String> = sqlx::query_scalar(
        "select unnest(parameter_types)::text from pg_prepared_statements where name = 'one'",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let values: Vec<&str> = types.iter().map(|name| value(name)).collect();
    let arguments = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    let explain = AssertSqlSafe(format!("explain (costs off) execute one{arguments}"));
    let plan = sqlx::query_scalar(explain).fetch_all(&mut *connection).await;
    connection.execute("deallocate one").await.unwrap();
    plan.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

/// Each with its plan.
async fn plans(connection: &mut PgConnection) -> Vec<(&'static str, Vec<String>)> {
    let all = [
        read::STATEMENTS,
        list::STATEMENTS,
        about::STATEMENTS,
        directory::STATEMENTS,
        errands::STATEMENTS,
        jobs::STATEMENTS,
        load::STATEMENTS,
        write::STATEMENTS,
        numbers::STATEMENTS,
        transaction::STATEMENTS,
    ];
    let mut plans = Vec::new();
    for statement in [all.concat(), transfer::STATEMENTS.concat()].concat() {
        plans.push((statement, plan(connection, statement).await));
    }
    plans
}

/// Gives the statements whose plans sort.
fn look_up_rows(plans: Vec<(&'static str, Vec<String>)>) -> Vec<&'static str> {
    let mut sorted = Vec::new();
    for (statement, plan) in plans {
        let shown = plan.join("\n");
        assert!(!shown.contains("Seq Scan"), "{statement}\n{shown}");
        // What looks up one row after the other is a nested loop; the others read all there is on one side.
        assert!(!shown.contains("Hash Join") && !shown.contains("Merge Join"), "{statement}\n{shown}");
        if shown.contains("Sort") {
            sorted.push(statement);
        }
    }
    sorted
}

/// As the store connects, which has made its plans before there was a row.
#[test]
fn an_empty_database_misleads_no_plan() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Database::new().config();
        let mut connection = crate::open::connect(&options(&config).unwrap(), &config).await.unwrap();
        look_up_rows(plans(&mut connection).await);
    });
}

#[test]
fn no_statement_reads_a_whole_table() {
    let messages = std::env::vars().find(|(name, _)| name == "TIDINGS_PLAN_MESSAGES");
    let messages = messages.map_or(MESSAGES, |(_, count)| count.parse().expect("a number of messages"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::new();
        let config = database.config();
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        fill(&mut connection, messages).await;
        // As the store connects.
        let mut connection = crate::open::connect(&options(&config).unwrap(), &config).await.unwrap();
        let sorted = look_up_rows(plans(&mut connection).await);
        // Only the few large threads of a user, and the threads about one object, are sorted.
        assert!(
            sorted.iter().all(|statement| statement.contains("m.activity_at is null")
                || statement.contains("t.context_id = $")),
            "{sorted:#?}"
        );
        assert_eq!(sorted.len(), 4, "{sorted:#?}");
    });
}
