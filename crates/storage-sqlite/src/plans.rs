//! Every statement's plan: none walks through a table, so none grows with the number of messages.

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::config::SqliteConfig;
use crate::{about, directory, jobs, list, load, open, pages, read, transfer, write};

/// Each single statement of a script, without comments.
fn statements(script: &str) -> Vec<String> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    let statements = lines.join("\n");
    statements.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explained = AssertSqlSafe(format!("explain query plan {statement}"));
    let rows = sqlx::query(explained).fetch_all(connection).await.expect("a statement prepares");
    rows.iter().map(|row| row.get("detail")).collect()
}

/// What a plan may walk through: the JSON of its arguments, and what is made of them on the way.
fn is_small_scan(step: &str) -> bool {
    let small = ["j", "jsonb_each", "c", "half", "h", "meta", "sized", "above", "own", "side"];
    step == "SCAN CONSTANT ROW"
        // What a window function runs over: the lengths of a page's texts.
        || step.starts_with("SCAN (subquery-")
        || small
            .iter()
            .any(|name| step == format!("SCAN {name}") || step.starts_with(&format!("SCAN {name} ")))
}

#[test]
fn no_statement_walks_through_a_table() {
    tidings_testkit::block_on(async {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = SqliteConfig::at(folder.path().join("plans.db"));
        let mut connection = open::writer(&config).await.expect("a new file opens");
        let scripts = [
            read::STATEMENTS,
            pages::STATEMENTS,
            list::STATEMENTS,
            about::STATEMENTS,
            directory::STATEMENTS,
            load::STATEMENTS,
            write::STATEMENTS,
            jobs::STATEMENTS,
            transfer::STATEMENTS,
        ];
        let mut sorted = Vec::new();
        for statement in scripts.concat().into_iter().flat_map(statements) {
            let plan = plan(&mut connection, &statement).await;
            for step in &plan {
                assert!(!step.starts_with("SCAN") || is_small_scan(step), "{statement}\n{plan:#?}");
                if step.contains("TEMP B-TREE") {
                    sorted.push(statement.clone());
                }
            }
        }
        // Only the few large threads of a user, the threads about one object, and the rows of one list are sorted.
        assert!(
            sorted.iter().all(|statement| statement.contains("m.activity_at is null")
                || statement.contains("t.context_id = $")
                || statement.contains("order by place")),
            "{sorted:#?}"
        );
        assert_eq!(sorted.len(), 4, "{sorted:#?}");
        connection.close().await.expect("it closes");
    });
}
