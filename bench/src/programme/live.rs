//! Workloads about sockets.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Results, Turn, during, names};
use crate::contestant::{Engine, Peer, Running, Store, Tidings};
use crate::fixture::{self, Thread};
use crate::measured::Measured;
use crate::stage::Stage;
use crate::workload::{group, idle, reconnect, typing};

const TYPING_THREADS: usize = 500;
const GROUP_MEMBERS: usize = 1_000;
const GROUP_IN_FLIGHT: usize = 16;

const ENGINES: [(&str, Engine); 2] = [(names::NODE_WS, Engine::Ws), (names::NODE_UWS, Engine::Uws)];
const RAW: [(&str, bool); 2] = [(names::RAW, false), (names::RAW_COALESCED, true)];

/// Turns of the peers that keep their threads in memory.
fn peers<'a>(
    stage: &'a Stage,
    threads: &Rc<[Thread]>,
    measure: fn(&Stage, &Running, &[Thread]) -> anyhow::Result<Measured>,
    with_raw: bool,
) -> impl Iterator<Item = Turn<'a>> {
    let nodes = ENGINES.map(|(name, engine)| (name, Peer::Node(engine)));
    let raws = RAW.map(|(name, coalesce)| (name, Peer::Raw { coalesce }));
    let threads = Rc::clone(threads);
    nodes.into_iter().chain(raws.into_iter().filter(move |_| with_raw)).map(move |(name, peer)| {
        let threads = Rc::clone(&threads);
        Turn::new(name, move || {
            during(peer.start(stage, &threads)?, |running| measure(stage, running, &threads))
        })
    })
}

pub(super) fn typing<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let threads: Rc<[Thread]> = fixture::pairs(TYPING_THREADS).into();
    let measure = |stage: &Stage, running: &Running, threads: &[Thread]| {
        typing::run(&running.server, threads, &stage.scale().window())
    };
    let others = peers(stage, &threads, measure, true);
    let own = Turn::new(names::TIDINGS, {
        let threads = Rc::clone(&threads);
        move || {
            let running = Tidings::on(Store::Memory).start(stage)?;
            Tidings::import(&running, &threads, 0)?;
            during(running, |running| measure(stage, running, &threads))
        }
    });
    Ok(std::iter::once(own).chain(others).collect())
}

pub(super) fn group<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let threads: Rc<[Thread]> = [fixture::group(GROUP_MEMBERS)].into();
    let measure = |stage: &Stage, running: &Running, threads: &[Thread]| {
        let Some(thread) = threads.first() else { return Ok(Measured::default()) };
        group::run(&running.server, thread, GROUP_IN_FLIGHT, &stage.scale().window())
    };
    let others = peers(stage, &threads, measure, true);
    let own = Turn::new(names::TIDINGS_GROUPS, {
        let threads = Rc::clone(&threads);
        move || during(Peer::Groups.start(stage, &threads)?, |running| measure(stage, running, &threads))
    });
    Ok(std::iter::once(own).chain(others).collect())
}

pub(super) fn idle<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let measure =
        |stage: &Stage, running: &Running, _: &[Thread]| idle::run(&running.server, stage.scale().idle);
    let own = Turn::new(names::TIDINGS, move || {
        during(Tidings::on(Store::Memory).start(stage)?, |running| measure(stage, running, &[]))
    });
    Ok(std::iter::once(own).chain(peers(stage, &Rc::from([]), measure, false)).collect())
}

pub(super) fn reconnect<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let threads = fixture::pairs(stage.scale().returning / 2);
    let take = move || {
        let folder = tempfile::tempdir_in(stage.folder())?;
        let running = Tidings::on(Store::Sqlite(folder.path().to_owned())).start(stage)?;
        Tidings::import(&running, &threads, 1)?;
        during(running, |running| reconnect::run(&running.server, &threads))
    };
    Ok(vec![Turn::new(names::TIDINGS_SQLITE, take)])
}

pub(super) fn boot<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let take = move || {
        let folder = tempfile::tempdir_in(stage.folder())?;
        let running = Tidings::on(Store::Sqlite(folder.path().to_owned())).start(stage)?;
        let size = std::fs::metadata(stage.binary("tidings"))?.len();
        let figures = BTreeMap::from([
            ("ready_ms", running.took.as_secs_f64() * 1_000.0),
            ("binary_mib", megabytes(size)),
        ]);
        running.stop()?;
        Ok(Measured { figures, ..Measured::default() })
    };
    Ok(vec![Turn::new(names::TIDINGS_SQLITE, take)])
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
