//! Server-sent events, read from the bytes of a body as they come.

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// Its name: `happened`.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// Reads events from bytes that come in any pieces.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    next: Message,
}

impl Reader {
    /// Takes bytes in, and gives the events that they complete.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
            messages.extend(self.line(&line));
        }
        messages
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.next);
            return (!message.event.is_empty() || !message.data.is_empty()).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.next.event),
            "data" => {
                if !self.next.data.is_empty() {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
            }
            // A comment says that the stream is alive; where a stream was is not asked for: what has happened meanwhile is
            // found by looking.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_any_pieces() {
        let stream = ": alive\n\nid: 7-0\nevent: happened\ndata: {\"a\":\ndata: 1}\r\n\r\nevent: ending\ndata: {}\n\n";
        let mut whole = Reader::default();
        let messages = whole.take(stream.as_bytes());
        let one = Message { event: "happened".to_owned(), data: "{\"a\":\n1}".to_owned() };
        assert_eq!(messages, [one, Message { event: "ending".to_owned(), data: "{}".to_owned() }]);
        let mut pieces = Reader::default();
        let by_byte: Vec<Message> = stream.as_bytes().chunks(1).flat_map(|byte| pieces.take(byte)).collect();
        assert_eq!(by_byte, messages);
    }
}
