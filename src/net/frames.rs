//! The nine bytes in front of every HTTP/2 frame (RFC 9113, section 4.1), and what they can say.

/// What a caller says before the first frame.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 0x1;
pub const ACK: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITIES: u8 = 0x20;

const HEADER: usize = Frame::HEAD;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of its payload.
    pub length: u32,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Frame {
    /// Bytes of a head.
    pub const HEAD: usize = 9;

    /// From a head's bytes.
    pub fn read(b: [u8; HEADER]) -> Frame {
        Frame {
            length: u32::from_be_bytes([0, b[0], b[1], b[2]]),
            kind: b[3],
            flags: b[4],
            // The first bit is reserved and means nothing.
            stream: u32::from_be_bytes([b[5] & 0x7f, b[6], b[7], b[8]]),
        }
    }

    /// A head's bytes.
    pub fn bytes(self) -> [u8; HEADER] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    /// The last of its stream in this direction.
    pub fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The last of its header block.
    pub fn ends_headers(self) -> bool {
        self.flags & END_HEADERS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reserved_bit_of_a_stream_is_not_read() {
        let frame = Frame::read([0, 1, 2, HEADERS, 5, 0x80, 0, 0, 7]);
        assert_eq!(frame, Frame { length: 258, kind: HEADERS, flags: 5, stream: 7 });
        assert!(frame.ends_stream() && frame.ends_headers());
        assert!(!Frame { kind: SETTINGS, ..frame }.ends_stream(), "there the flag means something else");
    }

    prop_compose! {
        fn frame()(length in 0_u32..300, kind: u8, flags: u8, stream in 0_u32..0x8000_0000) -> Frame {
            Frame { length, kind, flags, stream }
        }
    }

    proptest! {
        #[test]
        fn rfc9113_4_1_a_head_is_read_as_it_is_written(frame in frame()) {
            prop_assert_eq!(Frame::read(frame.bytes()), frame);
        }
    }
}
