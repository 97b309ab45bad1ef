//! The data folder and the database.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tidings_storage_postgres::{PgConfig, PgStore};
use tidings_storage_sqlite::{SqliteConfig, SqliteStore};
use tokio_util::task::TaskTracker;

use super::Finding;
use crate::cause::WithCauses;
use crate::config::Config;
use crate::folder;
use crate::store::{self, Nobody};

/// The beginning of every SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// The database that is made and removed again, beside the real one.
const PROBE: &str = ".doctor.db";

/// Whether the folder is there, or can be made, and is for its owner alone.
pub(super) fn folder(path: &Path) -> Finding {
    let what = "data folder";
    let shown = path.display();
    if let Err(error) = folder::make(path) {
        return Finding::fail(
            what,
            format!("{error:#}"),
            "choose another with --data-dir, or correct its permissions",
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
        if mode & 0o077 != 0 {
            let seen = format!("others may look into {shown} (mode {:03o})", mode & 0o777);
            return Finding::warn(what, seen, format!("chmod 700 {shown}"));
        }
    }
    Finding::ok(what, format!("{shown}, for its owner alone"))
}

/// Whether others may read what is to be kept from them.
pub(super) fn privacy(config: &Config) -> Finding {
    let what = "files";
    let exposed = folder::exposed(store::private_files(config));
    if exposed.is_empty() {
        return Finding::ok(what, "the database and the secret are for their owner alone");
    }
    let names: Vec<String> = exposed.iter().map(|file| file.display().to_string()).collect();
    let seen = format!("other users of this machine may read or change {}", names.join(", "));
    Finding::warn(what, seen, folder::chmod(&exposed))
}

/// Whether the database is one, and whether its folder keeps what is written: a small database is made there, written
/// to and removed. The real one is only looked at, as another version may be at work on it.
pub(super) async fn database(config: &Config) -> Finding {
    let what = "database";
    if let Some((settings, shown)) = store::server(config) {
        return server(what, &settings, shown).await;
    }
    let Some(path) = store::file(config) else {
        return Finding::warn(what, "memory: forgets everything at the end", "use sqlite:PATH to keep it");
    };
    let shown = path.display();
    let parent = path.parent().unwrap_or(Path::new(""));
    if let Err(error) = folder::make(parent) {
        return Finding::fail(what, format!("{error:#}"), "choose another place with --database-url");
    }
    let mut head = [0; 16];
    let found = File::open(&path).and_then(|mut file| file.read_exact(&mut head));
    let state = match found {
        Ok(()) if head == SQLITE => "is there",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "will be made at the first start",
        Ok(()) | Err(_) => {
            return Finding::fail(
                what,
                format!("{shown} is no SQLite file, or damaged"),
                "restore it from a backup",
            );
        }
    };
    let probe = parent.join(PROBE);
    let outcome = probe_at(&probe).await;
    for end in ["", "-wal", "-shm", ".lock"] {
        let mut name = probe.as_os_str().to_owned();
        name.push(end);
        // Some of these are gone already.
        let _gone = fs::remove_file(name);
    }
    match outcome {
        Ok(()) => Finding::ok(
            what,
            format!("{shown} {state}; its folder keeps what is written (WAL, synchronous=FULL)"),
        ),
        Err(error) => Finding::fail(
            what,
            format!(
                "{shown} {state}, but a database beside it does not work: {}",
                WithCauses(error.as_ref())
            ),
            "use a folder on a local file system that this user may write to",
        ),
    }
}

/// Whether the server answers and keeps its promises. Nothing is changed on it.
async fn server(what: &str, settings: &PgConfig, shown: &str) -> Finding {
    let risked: Vec<&str> = settings.may_be_off.iter().map(|promise| promise.name()).collect();
    match PgStore::check(settings).await {
        Ok(version) if risked.is_empty() => {
            Finding::ok(what, format!("{shown}, PostgreSQL {version}, keeps what is written"))
        }
        Ok(version) => Finding::warn(
            what,
            format!(
                "{shown}, PostgreSQL {version}, may lose what is written: store.may_be_off has {}",
                risked.join(", ")
            ),
            "turn these on at the server and empty store.may_be_off",
        ),
        Err(error) => {
            Finding::fail(what, format!("{shown}: {error}"), "correct the server, or --database-url")
        }
    }
}

async fn probe_at(path: &Path) -> anyhow::Result<()> {
    let tasks = TaskTracker::new();
    // Opening checks the promises of durability.
    let store = SqliteStore::open(SqliteConfig::at(path), Arc::new(Nobody), &tasks).await?;
    let user = tidings_domain::user::User::unknown("doctor".parse()?);
    let written = tidings_domain::ports::Directory::put_user(&store, user, None).await;
    store.close().await;
    tasks.close();
    tasks.wait().await;
    written?;
    Ok(())
}
