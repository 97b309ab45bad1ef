//! The two counters of a thread: the place of a message and the count of changes.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// Before the first one.
            pub const ZERO: Self = Self(0);

            /// The counter with this value. Values above `i64::MAX` never occur: stores keep 64-bit signed integers.
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The value.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The value that follows.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    )*};
}

counters! {
    /// A message's place in its thread: 1, 2, 3… without gaps, never changes. The only order and the only page cursor.
    Seq;
    /// A thread's change counter. Every durable change takes the next value and the changed row keeps its last one
    /// (after IMAP CONDSTORE, RFC 7162).
    Modseq;
}
