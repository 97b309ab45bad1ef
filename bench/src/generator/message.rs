//! What a server says in a text frame, recognised by its first bytes and without reading JSON.

/// A Socket.IO packet in the namespace, or Engine.IO's ping.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Engine.IO's ping.
    Ping,
    /// An event: its name, and what follows the name up to the end.
    Event(&'a [u8], &'a [u8]),
    /// An acknowledgement: its id and its arguments, brackets included.
    Ack(u64, &'a [u8]),
    /// The namespace lets the client in.
    LetIn,
    /// The namespace refuses the client, or sends it away.
    Refused,
    Other,
}

/// What is said in `text`.
pub(super) fn recognise(text: &[u8]) -> Said<'_> {
    if text == b"2" {
        return Said::Ping;
    }
    if let Some(event) = text.strip_prefix(b"42/messaging,[\"") {
        let name = event.iter().position(|byte| *byte == b'"').unwrap_or(event.len());
        let (name, arguments) = event.split_at(name);
        return Said::Event(name, arguments);
    }
    if let Some(ack) = text.strip_prefix(b"43/messaging,") {
        return acknowledgement(ack).unwrap_or(Said::Other);
    }
    if text.starts_with(b"40/messaging,{") {
        return Said::LetIn;
    }
    if text.starts_with(b"41/messaging") || text.starts_with(b"44/messaging") || text == b"1" {
        return Said::Refused;
    }
    Said::Other
}

fn acknowledgement(ack: &[u8]) -> Option<Said<'_>> {
    let digits = ack.iter().position(|byte| *byte == b'[')?;
    let (digits, arguments) = ack.split_at(digits);
    let id = digits.iter().try_fold(0_u64, |id, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        id.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    Some(Said::Ack(id, arguments))
}

/// Whether an acknowledgement's arguments tell of success. A quote inside of a string is escaped, so that no content
/// looks like it.
pub(super) fn succeeded(arguments: &[u8]) -> bool {
    const SUCCESS: &[u8] = b"\"success\":true";
    arguments.starts_with(b"[{\"success\":true") || arguments.windows(SUCCESS.len()).any(|at| at == SUCCESS)
}

/// As text for an error, shortened.
pub(super) fn quoted(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..text.len().min(300)).unwrap_or(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart() {
        assert_eq!(recognise(b"2"), Said::Ping);
        assert_eq!(
            recognise(b"42/messaging,[\"newMessage\",{\"id\":1}]"),
            Said::Event(b"newMessage", b"\",{\"id\":1}]")
        );
        assert_eq!(recognise(b"43/messaging,207[{}]"), Said::Ack(207, b"[{}]"));
        assert_eq!(recognise(b"40/messaging,{\"sid\":\"a\"}"), Said::LetIn);
        assert_eq!(recognise(b"41/messaging,"), Said::Refused);
        assert_eq!(recognise(b"44/messaging,{\"message\":\"no\"}"), Said::Refused);
        assert_eq!(recognise(b"42/other,[\"newMessage\"]"), Said::Other);
        assert_eq!(recognise(b"43/messaging,x[]"), Said::Other);
        assert_eq!(recognise(b"43/messaging,99999999999999999999[]"), Said::Other);
        assert_eq!(recognise(b""), Said::Other);
    }

    #[test]
    fn only_success_is_success() {
        assert!(succeeded(br#"[{"success":true,"message":{}}]"#));
        assert!(succeeded(br#"[{"message":{},"success":true}]"#));
        assert!(!succeeded(br#"[{"success":false,"error":"no"}]"#));
        assert!(!succeeded(br#"[{"success":false,"error":"\"success\":true"}]"#));
        assert!(!succeeded(b"[]"));
    }
}
