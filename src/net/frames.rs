//! Follows HTTP/2 frames through a stream of bytes, in whatever pieces they come (RFC 9113, section 4.1). Reads the nine
//! bytes in front of each and passes over what follows.

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

/// One direction of a connection.
#[derive(Debug)]
pub struct Frames {
    /// Bytes to pass over before the next frame.
    skip: usize,
    header: [u8; HEADER],
    filled: usize,
}

impl Frames {
    /// From the caller: the preface stands first.
    pub fn from_caller() -> Frames {
        Frames { skip: PREFACE.len(), ..Frames::to_caller() }
    }

    pub fn to_caller() -> Frames {
        Frames { skip: 0, header: [0; HEADER], filled: 0 }
    }

    /// The next frame whose head is complete; takes what it read off `bytes`, all of it if there is none.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let passed = self.skip.min(bytes.len());
        self.skip -= passed;
        let rest = &bytes[passed..];
        let read = rest.len().min(HEADER - self.filled);
        self.header[self.filled..self.filled + read].copy_from_slice(&rest[..read]);
        self.filled += read;
        *bytes = &rest[read..];
        if self.filled < HEADER {
            return None;
        }
        self.filled = 0;
        let frame = Frame::read(self.header);
        self.skip = frame.length as usize;
        Some(frame)
    }

    /// Whether the bytes so far end where a frame does.
    pub fn between(&self) -> bool {
        self.skip == 0 && self.filled == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(frame: Frame) -> Vec<u8> {
        let mut out = frame.length.to_be_bytes()[1..].to_vec();
        out.extend([frame.kind, frame.flags]);
        out.extend(frame.stream.to_be_bytes());
        out.resize(HEADER + frame.length as usize, 0xaa);
        out
    }

    fn all(frames: &mut Frames, pieces: &[&[u8]]) -> Vec<Frame> {
        let mut seen = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while let Some(frame) = frames.next(&mut rest) {
                seen.push(frame);
            }
            assert!(rest.is_empty());
        }
        seen
    }

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
        fn hazard_12_frames_are_the_same_however_they_are_split(
            sent in prop::collection::vec(frame(), 0..20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let mut bytes = PREFACE.to_vec();
            sent.iter().for_each(|f| bytes.extend(bytes_of(*f)));
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let mut frames = Frames::from_caller();
            prop_assert_eq!(all(&mut frames, &pieces), sent);
            prop_assert!(frames.between());
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes: Vec<u8>) {
            all(&mut Frames::to_caller(), &[&bytes]);
        }
    }
}
