//! Heartbeats and deadlines.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::super::connection::wake;
use super::{Driver, Heartbeat, Leaving};
use crate::Reason;
use crate::engine::Protocol;

/// How long after a pause in reading a pong may come.
const PAUSE_GRACE: Duration = Duration::from_secs(1);

impl<P: Protocol> Driver<P> {
    /// Does what the clock says.
    pub(super) fn tick(&mut self) -> bool {
        let now = Instant::now();
        if self.meter.tick(now, &self.engine.config) {
            return true;
        }
        if let Some(leaving) = &mut self.leaving {
            if leaving.finishing {
                // Its end is a matter of `finish`, which leaves time to write the answers.
                return false;
            }
            leaving.late = now >= leaving.by;
            return leaving.late && self.socket.take().is_some();
        }
        if self.establish_by.is_some_and(|by| now >= by) {
            self.connection.close(Reason::ConnectTimeout);
            return true;
        }
        if let Some(reason) = self.overdue(now) {
            self.connection.close(reason);
            return true;
        }
        match self.heartbeat {
            Heartbeat::PingAt(at) if now >= at => {
                self.has_paused = false;
                self.ping(at);
            }
            // Its answer may wait behind what the server is not ready for. Stock clients give a server up that sends no
            // ping for too long, so another one goes out.
            Heartbeat::PongBy(by) if now >= by && self.keeps_waiting() => self.ping(now),
            Heartbeat::PongBy(by) if now >= by => match self.meter.paused_until() {
                // It waits because of what the client itself has sent: that is a matter of one pause.
                Some(until) if !std::mem::replace(&mut self.has_paused, true) => {
                    self.expect_pong(until + PAUSE_GRACE);
                }
                _ => self.connection.close(Reason::PingTimeout),
            },
            Heartbeat::PingAt(_) | Heartbeat::PongBy(_) => return false,
        }
        true
    }

    /// Why the client of a large message has used up the time that it had, if it has.
    fn overdue(&mut self, now: Instant) -> Option<Reason> {
        let has_room = self.has_room();
        let Some(socket) = self.socket.as_mut().filter(|socket| socket.is_large()) else {
            self.stopped = None;
            return None;
        };
        if !self.established {
            // It was begun before the client was let out, or will be refused as soon as it is read on.
            return Some(Reason::TooLarge);
        }
        if !has_room {
            self.stopped.get_or_insert(now);
            return None;
        }
        if let Some(since) = self.stopped.take() {
            socket.excuse(now.saturating_duration_since(since));
        }
        socket.due().filter(|(by, _)| now >= *by).map(|(_, reason)| reason)
    }

    /// Whether what the client sends is not read because the server has no room for it.
    fn keeps_waiting(&self) -> bool {
        !self.inbox_has_room()
            || match &self.socket {
                Some(socket) => socket.waits_for_share(),
                None => self.connection.lock().keeps_post_waiting(),
            }
    }

    fn ping(&mut self, at: Instant) {
        self.expect_pong(at + self.engine.config.ping_timeout);
        if let Some(socket) = &mut self.socket {
            socket.push_text("2");
            return;
        }
        let mut state = self.connection.lock();
        if let Some(polling) = &mut state.polling {
            polling.ping = true;
            let waker = polling.poll.wake();
            drop(state);
            wake(waker);
        }
    }

    fn expect_pong(&mut self, by: Instant) {
        self.heartbeat = Heartbeat::PongBy(by);
        self.connection.lock().pong_due = Some(by);
    }

    /// Whether the clock has something to say already; otherwise it will wake the task.
    pub(super) fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = match (&self.leaving, &self.heartbeat) {
            // Only the handler is left to wait for.
            (Some(Leaving { late: true, .. }), _) => return Poll::Pending,
            (Some(leaving), _) => leaving.by,
            (None, Heartbeat::PingAt(at) | Heartbeat::PongBy(at)) => {
                self.establish_by.map_or(*at, |by| by.min(*at))
            }
        };
        let due = self.socket.as_ref().filter(|_| self.leaving.is_none() && self.stopped.is_none());
        let next = due.and_then(|socket| socket.due()).map_or(next, |(by, _)| by.min(next));
        let next = self.hold.map_or(next, |until| until.min(next));
        let next = self.meter.paused_until().map_or(next, |until| until.min(next));
        if next < self.sleep.deadline() || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
        }
        self.sleep.as_mut().poll(cx)
    }
}
