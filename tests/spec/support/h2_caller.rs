//! A caller that holds the gateway to RFC 9113: every frame of its is judged, every window counted, every block decoded.

use super::h2_raw::{END_HEADERS, END_STREAM, H2, literals};
use super::hpack::{Decoder, Fields};
use keystile::net::frames::{DATA, Frame, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE};
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;

pub const HEADER_TABLE_SIZE: u16 = 1;
pub const MAX_CONCURRENT_STREAMS: u16 = 3;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_FRAME_SIZE: u16 = 5;
const ACK: u8 = 1;
const WINDOW: i64 = 65_535;

/// What has come on one stream, and what may.
#[derive(Debug, Default)]
pub struct Stream {
    /// Statuses before the final one.
    pub interim: Vec<u16>,
    pub head: Option<Fields>,
    /// Bytes of each frame of the final head.
    pub head_frames: Vec<usize>,
    pub body: Vec<u8>,
    pub trailers: Option<Fields>,
    /// END_STREAM came.
    pub ended: bool,
    pub reset: Option<u32>,
    /// Bytes that the gateway may send, and that we may.
    pub(super) window: i64,
    pub budget: i64,
    /// We gave it up: what still comes was under way.
    pub(super) given_up: bool,
}

impl Stream {
    /// 0 where there is no reply.
    pub fn status(&self) -> u16 {
        self.field(":status").map_or(0, |status| status.parse().unwrap())
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        value(self.head.as_ref()?, name)
    }

    pub fn trailer(&self, name: &str) -> Option<&str> {
        value(self.trailers.as_ref()?, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn is_over(&self) -> bool {
        self.ended || self.reset.is_some()
    }
}

pub(super) fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

pub struct Caller {
    pub h2: H2,
    pub(super) decoder: Decoder,
    pub streams: BTreeMap<u32, Stream>,
    /// The gateway's, in the order in which they came.
    pub settings: Vec<(u16, u32)>,
    /// Ours that it has not acknowledged yet.
    pub(super) announced: VecDeque<Vec<(u16, u32)>>,
    pub acknowledged: usize,
    pub pongs: Vec<Vec<u8>>,
    /// Last stream and reason.
    pub goaways: Vec<(u32, u32)>,
    /// The gateway has closed.
    pub closed: bool,
    pub(super) max_frame: u32,
    pub(super) initial_window: i64,
    pub(super) window: i64,
    pub(super) initial_budget: i64,
    pub budget: i64,
    /// A header block that is under way: its stream, whether it ends the stream, its bytes, those of its frames.
    pub(super) block: Option<(u32, bool, Vec<u8>, Vec<usize>)>,
}

impl Caller {
    /// Without TLS. Changes these settings, where there are any.
    pub fn clear(address: SocketAddr, settings: &[(u16, u32)]) -> Caller {
        Caller::on(H2::clear(address), settings)
    }

    /// On a connection that has said no more than its preface and no setting.
    pub fn on(h2: H2, settings: &[(u16, u32)]) -> Caller {
        let mut caller = Caller {
            h2,
            decoder: Decoder::new(),
            streams: BTreeMap::new(),
            settings: Vec::new(),
            announced: VecDeque::from([Vec::new()]),
            acknowledged: 0,
            pongs: Vec::new(),
            goaways: Vec::new(),
            closed: false,
            max_frame: 16_384,
            initial_window: WINDOW,
            window: WINDOW,
            initial_budget: WINDOW,
            budget: WINDOW,
            block: None,
        };
        if !settings.is_empty() {
            caller.announce(settings);
        }
        caller
    }

    /// SETTINGS. What permits more holds from now on, what permits less from its acknowledgement on.
    pub fn announce(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        self.h2.frame(SETTINGS, 0, 0, &payload);
        // Of several values of a setting the last one counts.
        let settings: Vec<(u16, u32)> = settings.iter().copied().collect::<BTreeMap<_, _>>().into_iter().collect();
        self.apply(&settings, |now, then| then > now);
        self.announced.push_back(settings);
    }

    pub(super) fn apply(&mut self, settings: &[(u16, u32)], holds: impl Fn(i64, i64) -> bool) {
        for &(id, value) in settings {
            let value = i64::from(value);
            if id == INITIAL_WINDOW_SIZE && holds(self.initial_window, value) {
                let change = value - self.initial_window;
                self.initial_window = value;
                self.streams.values_mut().for_each(|stream| stream.window += change);
            }
            if id == MAX_FRAME_SIZE && holds(self.max_frame.into(), value) {
                self.max_frame = u32::try_from(value).unwrap();
            }
        }
    }

    /// Opens a stream.
    pub fn request(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) {
        self.head(stream, &literals(fields), ends);
    }

    /// The same with a block in HPACK.
    pub fn head(&mut self, stream: u32, block: &[u8], ends: bool) {
        self.expect(stream);
        self.h2.frame(HEADERS, END_HEADERS | if ends { END_STREAM } else { 0 }, stream, block);
    }

    /// The end of a request that has a body.
    pub fn request_trailers(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.h2.frame(HEADERS, END_HEADERS | END_STREAM, stream, &literals(fields));
    }

    /// Frames as they are. What their settings change is not followed.
    pub fn write(&mut self, frames: &[u8]) {
        let mut rest = frames;
        while let Some(head) = rest.first_chunk() {
            let frame = Frame::read(*head);
            if (frame.kind, frame.flags & ACK) == (SETTINGS, 0) {
                self.announced.push_back(Vec::new());
            }
            rest = rest.get(Frame::HEAD + frame.length as usize..).unwrap_or_default();
        }
        self.h2.write(frames);
    }

    /// A stream that is opened otherwise.
    pub fn expect(&mut self, stream: u32) {
        let (window, budget) = (self.initial_window, self.initial_budget);
        self.streams.insert(stream, Stream { window, budget, ..Stream::default() });
    }

    /// A part of a body, as the windows permit, which are waited for.
    pub fn data(&mut self, stream: u32, bytes: &[u8], ends: bool) {
        let mut rest = bytes;
        loop {
            let part = rest.len().min(16_384).min(self.may_send(stream));
            let last = part == rest.len();
            if part > 0 || last {
                self.count_out(stream, part);
                self.h2.frame(DATA, if last && ends { END_STREAM } else { 0 }, stream, &rest[..part]);
            }
            if last {
                return;
            }
            rest = &rest[part..];
            self.until("a window", |caller| caller.may_send(stream) > 0 || caller.streams[&stream].is_over());
            if self.streams[&stream].is_over() {
                return;
            }
        }
    }

    /// Bytes that both windows permit.
    pub fn may_send(&self, stream: u32) -> usize {
        usize::try_from(self.budget.min(self.streams[&stream].budget).max(0)).unwrap()
    }

    /// So many bytes of DATA leave, with their padding.
    pub fn count_out(&mut self, stream: u32, bytes: usize) {
        self.budget -= bytes as i64;
        self.streams.get_mut(&stream).unwrap().budget -= bytes as i64;
    }

    /// WINDOW_UPDATE; stream 0 is the connection.
    pub fn raise(&mut self, stream: u32, by: u32) {
        match stream {
            0 => self.window += i64::from(by),
            _ => self.streams.get_mut(&stream).unwrap().window += i64::from(by),
        }
        self.h2.frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    }

    /// RST_STREAM(CANCEL)
    pub fn give_up(&mut self, stream: u32) {
        self.streams.get_mut(&stream).unwrap().given_up = true;
        self.h2.frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    }

    /// Reads until it is so.
    #[track_caller]
    pub fn until(&mut self, what: &str, so: impl Fn(&Caller) -> bool) {
        while !so(self) {
            assert!(!self.closed, "closed instead of {what}: {:?}, GOAWAY {:?}", self.streams, self.goaways);
            match self.h2.next() {
                Ok(Some((frame, payload))) => self.judge(frame, &payload),
                Ok(None) => self.closed = true,
                Err(e) if e.kind() == ErrorKind::ConnectionReset => self.closed = true,
                Err(e) => panic!("{e} instead of {what}: {:?}", self.streams),
            }
        }
    }

    /// The whole of a stream, or its reset.
    #[track_caller]
    pub fn reply(&mut self, stream: u32) -> &Stream {
        self.until("a reply", |caller| caller.streams[&stream].is_over());
        &self.streams[&stream]
    }

    /// Reads to the end of the connection, which must come.
    #[track_caller]
    pub fn end(&mut self) {
        self.until("an end", |caller| caller.closed);
    }

    /// The gateway has read all that was sent, and what it answered at once is here.
    #[track_caller]
    pub fn settle(&mut self) {
        let ping = (self.pongs.len() as u64).to_be_bytes();
        self.h2.frame(PING, 0, 0, &ping);
        self.until("a pong", |caller| caller.pongs.iter().any(|pong| *pong == ping));
    }
}
