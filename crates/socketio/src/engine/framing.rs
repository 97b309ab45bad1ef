//! Where frames begin in a stream of WebSocket bytes (RFC 6455, section 5.2). Nothing is checked: a parser does that.

use super::large::LargeMessages;

/// The longest header without its masking key.
const HEADER: usize = 10;
const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
/// The first opcode of control frames, which are small and may stand between the fragments of a message.
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
const KEY: u64 = 4;

/// Follows a stream of frames, in pieces of any size.
#[derive(Default)]
pub(crate) struct Framing {
    header: [u8; HEADER],
    /// How much of the header is there.
    have: usize,
    /// How many bytes there are until the next header.
    skip: u64,
    /// The size of the current message's fragments so far.
    message: u64,
    /// Whether the current message has been said to be large.
    is_large: bool,
}

/// What a frame's header says.
struct Header {
    is_last: bool,
    is_control: bool,
    /// The size of the payload.
    size: u64,
    /// The size of what follows the header.
    rest: u64,
}

impl Framing {
    /// The next header in `bytes` that makes its message a large one: where it ends, and how large a share the message
    /// takes. What comes behind it has not been looked at then.
    ///
    /// The size of a message in fragments is not known at its beginning, so it takes a share of the largest size.
    ///
    /// What is larger than any message may be takes none: the parser refuses it by its header.
    pub(crate) fn next_large(&mut self, bytes: &[u8], large: &LargeMessages) -> Option<(usize, usize)> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.skip > 0 {
                let here = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.skip -= u64::try_from(here).unwrap_or_default();
                at += here;
                continue;
            }
            if let Some(slot) = self.header.get_mut(self.have) {
                *slot = *byte;
            }
            self.have += 1;
            at += 1;
            let Some(header) = self.complete() else { continue };
            (self.have, self.skip) = (0, header.rest);
            if let Some(share) = self.share(&header, large) {
                return Some((at - 1, share));
            }
        }
        None
    }

    fn complete(&self) -> Option<Header> {
        let [first, second, extended @ ..] = self.header;
        let (length, size) = match second & !MASKED {
            126 => {
                let [high, low, ..] = extended;
                (4, u64::from(u16::from_be_bytes([high, low])))
            }
            127 => (HEADER, u64::from_be_bytes(extended)),
            size => (2, u64::from(size)),
        };
        let key = if second & MASKED == 0 { 0 } else { KEY };
        (self.have >= 2 && self.have >= length).then(|| Header {
            is_last: first & FIN != 0,
            is_control: first & OPCODE >= CONTROL,
            size,
            rest: size.saturating_add(key),
        })
    }

    /// The share that a message takes because of this frame.
    fn share(&mut self, header: &Header, large: &LargeMessages) -> Option<usize> {
        if header.is_control {
            return None;
        }
        self.message = self.message.saturating_add(header.size);
        let (message, is_whole) = (self.message, header.is_last && self.message == header.size);
        let message = usize::try_from(message).unwrap_or(usize::MAX);
        let grows_large = !self.is_large && large.counts(message);
        (self.message, self.is_large) =
            if header.is_last { (0, false) } else { (self.message, self.is_large || grows_large) };
        // Not the limit of the moment: it may have been raised by the time that the parser sees the header.
        let largest = large.largest();
        (grows_large && message <= largest).then_some(if is_whole { message } else { largest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Config;

    const FREE: usize = 100;
    const MAX: usize = 100_000;

    fn large() -> LargeMessages {
        let config = Config { max_payload: MAX, max_payload_unestablished: FREE, ..Config::default() };
        LargeMessages::new(&config)
    }

    #[derive(Debug, Clone)]
    struct Sent {
        fragments: Vec<usize>,
        is_masked: bool,
        ping_between: bool,
    }

    fn message() -> impl Strategy<Value = Sent> {
        let size = prop_oneof![0..130usize, 120..130usize, 65_530..65_540usize, 0..1_000usize];
        (prop::collection::vec(size, 1..4), any::<bool>(), any::<bool>())
            .prop_map(|(fragments, is_masked, ping_between)| Sent { fragments, is_masked, ping_between })
    }

    fn frame(bytes: &mut Vec<u8>, first: u8, is_masked: bool, size: usize) {
        let mask = if is_masked { MASKED } else { 0 };
        bytes.push(first);
        match size {
            0..=125 => bytes.push(mask | u8::try_from(size).unwrap()),
            126..=0xffff => {
                bytes.push(mask | 126);
                bytes.extend(u16::try_from(size).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend(u64::try_from(size).unwrap().to_be_bytes());
            }
        }
    }

    /// The bytes of messages, and for each that is large where the header ends that says so, and its share.
    fn stream(messages: &[Sent]) -> (Vec<u8>, Vec<(usize, usize)>) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for Sent { fragments, is_masked, ping_between } in messages {
            let (mut sum, mut is_known) = (0, false);
            for (index, size) in fragments.iter().enumerate() {
                let opcode = if index == 0 { 1 } else { 0 };
                let is_last = index + 1 == fragments.len();
                frame(&mut bytes, opcode | if is_last { FIN } else { 0 }, *is_masked, *size);
                sum += size;
                if sum > FREE && !is_known {
                    is_known = true;
                    if sum <= MAX {
                        let share = if is_last && sum == *size { sum } else { MAX };
                        expected.push((bytes.len() - 1, share));
                    }
                }
                // Payloads look like headers of giant frames.
                bytes.extend(std::iter::repeat_n(0xff, size + if *is_masked { 4 } else { 0 }));
                if *ping_between {
                    frame(&mut bytes, FIN | 9, true, 125);
                    bytes.extend([0xff; 129]);
                }
            }
        }
        (bytes, expected)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn large_messages_are_found_however_the_bytes_come(
            messages in prop::collection::vec(message(), 1..6),
            pieces in prop::collection::vec(1..2_000usize, 1..50),
        ) {
            let (bytes, expected) = stream(&messages);
            let (large, mut framing, mut found) = (large(), Framing::default(), Vec::new());
            let (mut rest, mut start, mut sizes) = (bytes.as_slice(), 0, pieces.iter().cycle());
            while !rest.is_empty() {
                let size = (*sizes.next().unwrap()).min(rest.len());
                let (piece, behind) = rest.split_at(size);
                let mut at = 0;
                while let Some((offset, share)) = framing.next_large(&piece[at..], &large) {
                    found.push((start + at + offset, share));
                    at += offset + 1;
                }
                (rest, start) = (behind, start + size);
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn no_length_overflows() {
        let (large, mut framing) = (large(), Framing::default());
        let giant = [0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(framing.next_large(&giant, &large), None);
        assert_eq!(framing.next_large(&[0; 64], &large), None);
    }
}
