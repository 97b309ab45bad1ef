//! The workload about thread lists.

use super::durable::{Databases, imported};
use super::{Results, Turn, during, names};
use crate::contestant::Running;
use crate::fixture;
use crate::measured::Measured;
use crate::stage::{Scale, Stage};
use crate::workload::list;

pub(super) fn lists<'a>(stage: &'a Stage, _: &Results) -> anyhow::Result<Vec<Turn<'a>>> {
    let Scale { listed_threads, listed_messages: [few, many], lists, .. } = *stage.scale();
    let threads = fixture::of_one_advertiser(listed_threads);
    let cluster = stage.cluster()?;
    let with_few = imported(stage, cluster, "w8_few", &threads, few)?;
    let Databases { tidings, nest } = Databases::filled(stage, cluster, "w8", &threads, many)?;
    let measure = move |running: Running| -> anyhow::Result<Measured> {
        during(running, |running| list::run(&running.server, &fixture::advertiser(0), lists))
    };
    Ok(vec![
        Turn::new(names::TIDINGS_POSTGRES, move || measure(with_few.start(stage)?)),
        Turn::new(names::TIDINGS_LARGE, move || measure(tidings.start(stage)?)),
        Turn::new(names::NEST, move || measure(nest.start(stage, &threads)?)),
    ])
}
