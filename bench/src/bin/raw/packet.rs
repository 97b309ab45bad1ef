//! What is said on the wire: events recognised by position, frames taken and made.

use anyhow::bail;
use serde_json::{Value, json};

/// Bytes of a thread's id.
pub(crate) const ID_BYTES: usize = 36;

/// A packet of a client. The acknowledgement's id is kept as its digits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    Typing(&'a [u8; ID_BYTES], bool),
    Send(&'a [u8], &'a [u8; ID_BYTES]),
    Join(&'a [u8], &'a [u8; ID_BYTES]),
    Leave(&'a [u8], &'a [u8; ID_BYTES]),
    Connect(&'a [u8]),
    Other,
}

pub(crate) fn recognise(text: &[u8]) -> Said<'_> {
    let Some(event) = text.strip_prefix(b"42/messaging,") else {
        return text.strip_prefix(b"40/messaging,").map_or(Said::Other, Said::Connect);
    };
    let digits = event.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (ack, event) = event.split_at(digits);
    let of = |name: &[u8]| event.strip_prefix(name).and_then(<[u8]>::first_chunk);
    if let Some(thread) = of(br#"["typing",{"threadId":""#) {
        Said::Typing(thread, !event.ends_with(b"false}]"))
    } else if let Some(thread) = of(br#"["sendMessage",{"threadId":""#) {
        Said::Send(ack, thread)
    } else if let Some(thread) = of(br#"["joinThread",{"threadId":""#) {
        Said::Join(ack, thread)
    } else if let Some(thread) = of(br#"["leaveThread",{"threadId":""#) {
        Said::Leave(ack, thread)
    } else {
        Said::Other
    }
}

/// A server's WebSocket text frame.
pub(crate) fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(short @ ..126), _) => frame.push(short),
        (_, Ok(middle)) => {
            frame.push(126);
            frame.extend(middle.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend(text);
    frame
}

pub(crate) fn event(name: &str, payload: &Value) -> Vec<u8> {
    frame(format!("42/messaging,{}", json!([name, payload])).as_bytes())
}

pub(crate) fn acknowledgement(ack: &[u8], success: bool) -> Vec<u8> {
    let arguments: &[u8] = if success { br#"[{"success":true}]"# } else { br#"[{"success":false}]"# };
    frame(&[b"43/messaging,", ack, arguments].concat())
}

/// A client's first frame in `input`: its opcode and its end, with its payload unmasked and moved to the front.
///
/// # Errors
/// It is masked wrongly or too large.
pub(crate) fn take_frame(input: &mut [u8]) -> anyhow::Result<Option<(u8, usize, &[u8])>> {
    let (opcode, length, head) = match *input {
        [first, second @ 0x80..0xfe, ..] => (first & 0x0f, usize::from(second & 0x7f), 2),
        [first, 0xfe, high, low, ..] => (first & 0x0f, usize::from(u16::from_be_bytes([high, low])), 4),
        [] | [_] | [_, 0xfe, ..] => return Ok(None),
        [_, ..] => bail!("a frame without a mask or too large"),
    };
    let end = head + 4 + length;
    let Some((mask, payload)) = input.get_mut(head..end).and_then(<[u8]>::split_first_chunk_mut::<4>) else {
        return Ok(None);
    };
    for bytes in payload.chunks_mut(mask.len()) {
        for (byte, mask) in bytes.iter_mut().zip(*mask) {
            *byte ^= mask;
        }
    }
    Ok(Some((opcode, end, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_by_position() {
        let id = b"01941f29-7c00-7000-8000-000000000000";
        let text =
            |event: &str| format!("42/messaging,{event}").replace("ID", std::str::from_utf8(id).unwrap());
        let said = text(r#"["typing",{"threadId":"ID","isTyping":true}]"#);
        assert_eq!(recognise(said.as_bytes()), Said::Typing(id, true));
        let said = text(r#"["typing",{"threadId":"ID","isTyping":false}]"#);
        assert_eq!(recognise(said.as_bytes()), Said::Typing(id, false));
        let said = text(r#"17["sendMessage",{"threadId":"ID","content":"a"}]"#);
        assert_eq!(recognise(said.as_bytes()), Said::Send(b"17", id));
        assert_eq!(recognise(b"42/messaging,0[\"joinThread\",{\"threadId\":\"short\"}]"), Said::Other);
        assert_eq!(recognise(b"3"), Said::Other);
    }

    #[test]
    fn a_frame_is_taken_once_it_is_whole() {
        let mut sent = vec![0x81, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, 0x81];
        for end in 0..9 {
            assert!(take_frame(&mut sent.clone()[..end]).unwrap().is_none());
        }
        assert_eq!(take_frame(&mut sent).unwrap(), Some((1, 9, &b"abc"[..])));
        assert!(take_frame(&mut [0x81, 3, 0, 0]).is_err());
        assert!(take_frame(&mut [0x81, 0xff, 0, 0]).is_err());
    }

    #[test]
    fn the_length_of_a_frame_takes_one_byte_or_three() {
        assert_eq!(frame(b"ab"), [0x81, 2, b'a', b'b']);
        assert_eq!(frame(&[0; 125])[..2], [0x81, 125]);
        assert_eq!(frame(&[0; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(frame(&[0; 65_536])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
