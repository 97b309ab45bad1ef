//! WebSocket frames: those of a server taken off a buffer in place, those of a client written into one.

/// The largest frame of a server that is read, header included, in bytes.
pub(super) const FRAME_BYTES_MAX: usize = 128 * 1024;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A whole frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Text(&'a [u8]),
    /// WebSocket's own ping, not Engine.IO's.
    Ping(&'a [u8]),
    Pong,
    Close(&'a [u8]),
}

/// The first frame of `bytes` and how many bytes it takes, or `None` while it is not whole.
///
/// # Errors
/// Bytes that no server of a text dialect sends: masked, binary, fragmented or too large.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, &'static str> {
    let [head, length, rest @ ..] = bytes else { return Ok(None) };
    if length & MASKED != 0 {
        return Err("a masked frame");
    }
    let (length, header) = match (length, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 4),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (usize::try_from(length).unwrap_or(usize::MAX), 10)
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (usize::from(*short), 2),
    };
    if length > FRAME_BYTES_MAX {
        return Err("a frame that is too large");
    }
    let Some(payload) = bytes.get(header..header + length) else { return Ok(None) };
    let frame = match head {
        head if *head == FIN | TEXT => Frame::Text(payload),
        head if *head == FIN | PING => Frame::Ping(payload),
        head if *head == FIN | PONG => Frame::Pong,
        head if *head == FIN | CLOSE => Frame::Close(payload),
        _ => return Err("a frame that is neither a whole text nor a control frame"),
    };
    Ok(Some((frame, header + length)))
}

/// Appends a text frame to `out`, its payload in parts.
pub(super) fn text(out: &mut Vec<u8>, parts: &[&[u8]]) {
    write(out, FIN | TEXT, parts);
}

/// Appends the answer to a WebSocket ping.
pub(super) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, FIN | PONG, &[payload]);
}

fn write(out: &mut Vec<u8>, head: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(head);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(MASKED | short),
        (_, Ok(medium)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    // With a mask of zeros the payload is what it was.
    out.extend_from_slice(&[0; 4]);
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_server(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        text(&mut frame, &[payload]);
        let header = frame.len() - payload.len() - 4;
        frame.drain(header..header + 4);
        *frame.get_mut(1).unwrap() &= !MASKED;
        frame
    }

    #[test]
    fn a_frame_split_at_any_byte_is_not_whole_until_it_is() {
        for length in [0, 1, 125, 126, 300, 0xffff, 0x1_0000] {
            let payload = vec![b'x'; length];
            let mut bytes = of_server(&payload);
            let whole = bytes.len();
            for end in 0..whole {
                assert_eq!(first(&bytes[..end]), Ok(None), "{end} of {whole}");
            }
            bytes.extend_from_slice(b"\x81");
            assert_eq!(first(&bytes), Ok(Some((Frame::Text(&payload), whole))));
        }
    }

    #[test]
    fn control_frames_are_told_apart() {
        assert_eq!(first(b"\x89\x02hi"), Ok(Some((Frame::Ping(b"hi"), 4))));
        assert_eq!(first(b"\x8a\x00"), Ok(Some((Frame::Pong, 2))));
        assert_eq!(first(b"\x88\x02\x03\xe8"), Ok(Some((Frame::Close(b"\x03\xe8"), 4))));
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        assert!(first(b"\x81\x80\0\0\0\0").is_err(), "masked");
        assert!(first(b"\x01\x00").is_err(), "a fragment");
        assert!(first(b"\x82\x00").is_err(), "binary");
        assert!(first(b"\x81\x7f\0\0\0\0\xff\0\0\0").is_err(), "too large");
    }

    #[test]
    fn a_client_frame_is_masked_with_zeros() {
        let mut out = Vec::new();
        text(&mut out, &[b"4", b"2x"]);
        assert_eq!(out, b"\x81\x83\0\0\0\x0042x");
    }
}
