//! Who connects in the workloads.

use std::time::Duration;

use anyhow::Context;

use super::Server;
use crate::fixture::Thread;
use crate::generator::{Client, Connecting, Fleet, Tokens, raise_file_limit};

/// Most handshakes in flight where connecting is not what is measured.
const AT_ONCE: usize = 200;
/// How long that may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(60);

/// The clients of these users, each in this thread if one is given; none is connected yet.
pub(super) fn fleet<'a>(
    server: &Server,
    users: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> anyhow::Result<Fleet> {
    raise_file_limit()?;
    let tokens = Tokens::new(&server.secret);
    let client = |(user, thread): (&str, Option<&str>)| {
        Ok(Client { token: tokens.of(user)?, thread: thread.map(str::to_owned) })
    };
    let clients = users.into_iter().map(client).collect::<anyhow::Result<Vec<_>>>()?;
    Fleet::new(server.address, clients)
}

/// All members of these threads, connected and joined; of threads of two, the client `2n` is the first member of thread
/// `n`, and `2n + 1` the second.
pub(super) fn members(server: &Server, threads: &[Thread]) -> anyhow::Result<Fleet> {
    let users = threads
        .iter()
        .flat_map(|thread| thread.members.iter().map(|member| (member.as_str(), Some(thread.id.as_str()))));
    let mut fleet = fleet(server, users)?;
    let how = Connecting { at_once: AT_ONCE, again: false, within: CONNECT_DEADLINE };
    fleet.connect(how).context("connecting the members")?;
    Ok(fleet)
}
