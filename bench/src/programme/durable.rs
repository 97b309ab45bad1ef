//! Workloads about sends that are stored before they are acknowledged.

use std::rc::Rc;

use anyhow::Context;
use tidings_throwaway_postgres::Cluster;

use super::{Figure, Results, Turn, during, names};
use crate::contestant::{Peer, Running, Store, Tidings, pgbench, psql};
use crate::fixture::{self, Thread};
use crate::measured::Measured;
use crate::stage::Stage;
use crate::workload::{latency, sends};

const THREADS: usize = 200;
const IN_FLIGHT: usize = 64;
const MORE_IN_FLIGHT: usize = 200;

/// What W4 says of nest's own limit, for the workload that goes by it.
const NEST_RATE: Figure = Figure { workload: "W4", contestant: names::NEST, name: "acked_per_s" };

/// A database for Tidings and one for nest, both with these threads and as many messages in each.
pub(super) struct Databases {
    pub(super) tidings: Tidings,
    pub(super) nest: Peer,
}

impl Databases {
    pub(super) fn filled(
        stage: &Stage,
        cluster: &Cluster,
        name: &str,
        threads: &[Thread],
        messages: usize,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            tidings: imported(stage, cluster, &format!("{name}_tidings"), threads, messages)?,
            nest: loaded(stage, cluster, &format!("{name}_nest"), threads, messages)?,
        })
    }
}

pub(super) fn imported(
    stage: &Stage,
    cluster: &Cluster,
    database: &str,
    threads: &[Thread],
    messages: usize,
) -> anyhow::Result<Tidings> {
    let tidings = Tidings::on(Store::Postgres(cluster.create_database(database)?));
    let running = tidings.start(stage)?;
    Tidings::import(&running, threads, messages)?;
    running.stop()?;
    Ok(tidings)
}

pub(super) fn loaded(
    stage: &Stage,
    cluster: &Cluster,
    database: &str,
    threads: &[Thread],
    messages: usize,
) -> anyhow::Result<Peer> {
    let (url, scripts) = (cluster.create_database(database)?, stage.peers().join("nest"));
    psql(stage, &url, &scripts.join("schema.sql"), &[])?;
    let [first, second] = [0, 1].map(|index| threads.get(index).and_then(|thread| thread.members.first()));
    let variables = [
        ("threads", threads.len()),
        ("messages_per_thread", messages),
        ("one_advertiser", usize::from(second.is_some() && first == second)),
    ];
    psql(stage, &url, &scripts.join("load.sql"), &variables)?;
    // As its driver understands it.
    Ok(Peer::Nest(format!("postgres://postgres@/{database}?host={}", cluster.folder().display())))
}

/// A turn of `pgbench`, on a database of its own.
fn pgbench_turn<'a>(
    stage: &'a Stage,
    cluster: &Cluster,
    (name, script): (&'static str, &'static str),
    database: &str,
    clients: usize,
) -> anyhow::Result<Turn<'a>> {
    let url = cluster.create_database(database)?;
    psql(stage, &url, &stage.peers().join("pgbench/schema.sql"), &[])?;
    Ok(Turn::new(name, move || pgbench(stage, &url, script, clients)))
}

fn sending(
    stage: &Stage,
    running: Running,
    threads: &[Thread],
    in_flight: usize,
) -> anyhow::Result<Measured> {
    during(running, |running| sends::run(&running.server, threads, in_flight, &stage.scale().window()))
}

/// Turns of Tidings and nest, on databases of their own.
fn both<'a>(
    stage: &'a Stage,
    cluster: &Cluster,
    name: &str,
    threads: usize,
    in_flight: usize,
) -> anyhow::Result<Vec<Turn<'a>>> {
    let threads: Rc<[Thread]> = fixture::pairs(threads).into();
    let Databases { tidings, nest } = Databases::filled(stage, cluster, name, &threads, 0)?;
    let of_tidings = Rc::clone(&threads);
    Ok(vec![
        Turn::new(names::TIDINGS_POSTGRES, move || {
            sending(stage, tidings.start(stage)?, &of_tidings, in_flight)
        }),
        Turn::new(names::NEST, move || sending(stage, nest.start(stage, &threads)?, &threads, in_flight)),
    ])
}

pub(super) fn sends_64<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let cluster = stage.cluster()?;
    let mut turns = both(stage, cluster, "w4", THREADS, IN_FLIGHT)?;
    let row_lock = (names::PGBENCH_ROW_LOCK, "row_lock.sql");
    turns.push(pgbench_turn(stage, cluster, row_lock, "w4_row_lock", IN_FLIGHT)?);
    turns.push(pgbench_turn(stage, cluster, (names::PGBENCH_INSERT, "insert.sql"), "w4_insert", IN_FLIGHT)?);
    Ok(turns)
}

pub(super) fn sends_200<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let cluster = stage.cluster()?;
    let mut turns = both(stage, cluster, "w4_200", THREADS, MORE_IN_FLIGHT)?;
    let row_lock = (names::PGBENCH_ROW_LOCK, "row_lock.sql");
    turns.push(pgbench_turn(stage, cluster, row_lock, "w4_200_row_lock", MORE_IN_FLIGHT)?);
    Ok(turns)
}

pub(super) fn sends_slow<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    both(stage, stage.slow_cluster()?, "w4_slow", THREADS, IN_FLIGHT)
}

pub(super) fn hot_thread<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let cluster = stage.cluster()?;
    let mut turns = both(stage, cluster, "w7", 1, IN_FLIGHT)?;
    let one_row = (names::PGBENCH_ROW_LOCK, "one_row.sql");
    turns.push(pgbench_turn(stage, cluster, one_row, "w7_row_lock", IN_FLIGHT)?);
    Ok(turns)
}

pub(super) fn sqlite<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let threads: Rc<[Thread]> = fixture::pairs(THREADS).into();
    let large = stage.folder().join("w5");
    let at_large = Tidings::on(Store::Sqlite(large));
    let running = at_large.start(stage)?;
    Tidings::import(&running, &threads, stage.scale().stored / THREADS)?;
    running.stop()?;
    let of_large = Rc::clone(&threads);
    let empty = move || {
        let folder = tempfile::tempdir_in(stage.folder())?;
        let running = Tidings::on(Store::Sqlite(folder.path().to_owned())).start(stage)?;
        Tidings::import(&running, &threads, 0)?;
        sending(stage, running, &threads, IN_FLIGHT)
    };
    Ok(vec![
        Turn::new(names::TIDINGS_SQLITE, empty),
        Turn::new(names::TIDINGS_LARGE, move || sending(stage, at_large.start(stage)?, &of_large, IN_FLIGHT)),
    ])
}

pub(super) fn latency<'a>(stage: &'a Stage, results: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let most = results.spread(NEST_RATE).context("W4 has not been measured")?.median;
    let threads: Rc<[Thread]> = fixture::pairs(THREADS).into();
    let Databases { tidings, nest } = Databases::filled(stage, stage.cluster()?, "w6", &threads, 0)?;
    let measure = move |running: Running, threads: &[Thread]| {
        during(running, |running| latency::run(&running.server, threads, most / 2.0, &stage.scale().window()))
    };
    let of_tidings = Rc::clone(&threads);
    Ok(vec![
        Turn::new(names::TIDINGS_POSTGRES, move || measure(tidings.start(stage)?, &of_tidings)),
        Turn::new(names::NEST, move || measure(nest.start(stage, &threads)?, &threads)),
    ])
}
