//! The bounded queue of frames that wait to be written.

use std::collections::VecDeque;

use super::Frame;

/// A queue that keeps this many places or fewer is not shrunk when it runs empty.
const KEPT_PLACES: usize = 8;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// What became of a frame given to an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It will be written, unless the connection ends first.
    Queued,
    /// It was ephemeral and there was no room.
    Dropped,
    /// The connection has ended, or ends because of this frame: the outbox was full.
    Closed,
}

/// Frames in the order in which they will be written. A frame counts once, with the bytes of its attachments.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Frame>,
    /// Bytes waiting, and bytes taken by the writer but not yet written.
    bytes: usize,
    unwritten: usize,
    ephemeral: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts a frame at the end, dropping ephemeral ones, oldest first, where it needs their room.
    /// `Sent::Closed` says that there is no room even so.
    pub(crate) fn push(&mut self, frame: Frame, limits: Limits) -> Sent {
        while !self.fits(&frame, limits) {
            if !self.drop_ephemeral() {
                return if frame.is_ephemeral() { Sent::Dropped } else { Sent::Closed };
            }
        }
        self.bytes += frame.size();
        self.ephemeral += usize::from(frame.is_ephemeral());
        self.waiting.push_back(frame);
        Sent::Queued
    }

    /// A frame larger than the whole outbox still passes through an empty one.
    fn fits(&self, frame: &Frame, limits: Limits) -> bool {
        let bytes = self.bytes + self.unwritten;
        self.waiting.len() < limits.frames && (bytes == 0 || bytes + frame.size() <= limits.bytes)
    }

    fn drop_ephemeral(&mut self) -> bool {
        if self.ephemeral == 0 {
            return false;
        }
        let Some(index) = self.waiting.iter().position(Frame::is_ephemeral) else { return false };
        if let Some(frame) = self.waiting.remove(index) {
            self.bytes -= frame.size();
            self.ephemeral -= 1;
        }
        true
    }

    /// Hands everything that waits to the writer by exchanging it with `empty`. It counts against the limits
    /// until the writer comes back for more.
    pub(crate) fn take(&mut self, empty: &mut VecDeque<Frame>) {
        debug_assert!(empty.is_empty(), "the writer has written what it took");
        std::mem::swap(&mut self.waiting, empty);
        self.unwritten = std::mem::take(&mut self.bytes);
        self.ephemeral = 0;
        shrink(&mut self.waiting);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Gives memory back after a burst.
pub(crate) fn shrink(queue: &mut VecDeque<Frame>) {
    if queue.is_empty() && queue.capacity() > KEPT_PLACES {
        *queue = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { frames: 4, bytes: 40 };

    fn texts(outbox: &mut Outbox) -> Vec<usize> {
        let mut taken = VecDeque::new();
        outbox.take(&mut taken);
        taken.iter().map(Frame::size).collect()
    }

    #[test]
    fn the_oldest_ephemeral_frame_makes_room() {
        let mut outbox = Outbox::default();
        for len in 1..=2 {
            assert_eq!(outbox.push(Frame::text(&"e".repeat(len)).ephemeral(), LIMITS), Sent::Queued);
        }
        for len in 3..=5 {
            assert_eq!(outbox.push(Frame::text(&"d".repeat(len)), LIMITS), Sent::Queued);
        }
        assert_eq!(texts(&mut outbox), [3, 4, 5, 6], "the first ephemeral frame gave way");
    }

    #[test]
    fn a_full_outbox_drops_an_ephemeral_frame_and_refuses_a_durable_one() {
        let mut outbox = Outbox::default();
        for _ in 0..4 {
            assert_eq!(outbox.push(Frame::text("d"), LIMITS), Sent::Queued);
        }
        assert_eq!(outbox.push(Frame::text("e").ephemeral(), LIMITS), Sent::Dropped);
        assert_eq!(outbox.push(Frame::text("d"), LIMITS), Sent::Closed);
    }

    #[test]
    fn bytes_count_until_they_are_written() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.push(Frame::text(&"d".repeat(100)), LIMITS), Sent::Queued, "a large frame alone");
        let mut taken = VecDeque::new();
        outbox.take(&mut taken);
        assert_eq!(outbox.push(Frame::text("d"), LIMITS), Sent::Closed, "the large one is not written yet");
        taken.clear();
        outbox.take(&mut taken);
        assert_eq!(outbox.push(Frame::text("d"), LIMITS), Sent::Queued);
    }
}
