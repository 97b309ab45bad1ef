//! What is sent: encoded once, shared by all who get it.

use std::sync::Arc;

use bytes::Bytes;

/// A message in the form in which it is sent, shared: cloning it copies a pointer.
///
/// It may carry binary attachments, which are sent right behind it and never apart from it.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    head: Head,
    attachments: Box<[Bytes]>,
    ephemeral: bool,
    stands_alone: bool,
    size: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Head {
    /// A text packet with its leading type digit.
    Text(String),
    Binary(Bytes),
}

impl Frame {
    /// A text message.
    #[must_use]
    pub fn text(message: &str) -> Self {
        Self::from_packet(format!("4{message}"), Vec::new())
    }

    /// A binary message.
    #[must_use]
    pub fn binary(message: Bytes) -> Self {
        let size = message.len();
        Self::new(Head::Binary(message), Vec::new(), size)
    }

    /// A text packet that already begins with its type digit, and its attachments.
    pub(crate) fn from_packet(packet: String, attachments: Vec<Bytes>) -> Self {
        let size = packet.len() + attachments.iter().map(Bytes::len).sum::<usize>();
        Self::new(Head::Text(packet), attachments, size)
    }

    fn new(head: Head, attachments: Vec<Bytes>, size: usize) -> Self {
        let attachments = attachments.into_boxed_slice();
        Self(Arc::new(Inner { head, attachments, ephemeral: false, stands_alone: false, size }))
    }

    /// The same message, just made, marked as one that nothing may follow in one chunk.
    pub(crate) fn alone(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.stands_alone = true;
        }
        self
    }

    pub(crate) fn stands_alone(&self) -> bool {
        self.0.stands_alone
    }

    /// The same message, marked as one that a full outbox may drop.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.ephemeral = true;
            return self;
        }
        // Others have it as it is, and keep it so.
        let Inner { head, attachments, stands_alone, size, .. } = &*self.0;
        let (head, attachments) = (head.clone(), attachments.clone());
        Self(Arc::new(Inner { head, attachments, ephemeral: true, stands_alone: *stands_alone, size: *size }))
    }

    /// Whether a full outbox may drop it.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.0.ephemeral
    }

    /// Its size in bytes, attachments included, framing not.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    pub(crate) fn head(&self) -> &Head {
        &self.0.head
    }

    pub(crate) fn attachments(&self) -> &[Bytes] {
        &self.0.attachments
    }
}
