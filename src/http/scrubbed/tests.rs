use super::*;
use crate::model::{Reason, Secret};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use std::collections::VecDeque;
use std::io::Write as _;
use std::rc::Rc;
use std::task::Waker;
use zeroize::Zeroizing;

const SECRET: &str = "sk_live_0123456789";

/// An upstream's body, frame by frame. `None`: it lets itself be waited for.
#[derive(Default)]
struct Script(VecDeque<Option<Result<Frame<Bytes>, CutOff>>>);

impl Body for Script {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self.0.pop_front() {
            Some(Some(frame)) => Poll::Ready(Some(frame)),
            Some(None) => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.0.iter().flatten().flatten().filter_map(Frame::data_ref);
        SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
    }
}

fn data(text: impl AsRef<[u8]>) -> Option<Result<Frame<Bytes>, CutOff>> {
    Some(Ok(Frame::data(Bytes::copy_from_slice(text.as_ref()))))
}

fn fields(all: &[(&'static str, &str)]) -> Fields {
    all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn map(all: &[(&'static str, &str)]) -> HeaderMap {
    fields(all).into()
}

type Scrub = Reply<Scrubbed<Script, Rc<Needle>>>;

fn of(head: &[(&'static str, &str)], frames: Vec<Option<Result<Frame<Bytes>, CutOff>>>) -> Result<Scrub, &'static str> {
    let needle = Needle::of([&Secret::new(Zeroizing::new(SECRET.into()))]).unwrap();
    let mut reply = Reply::new(Script(frames.into()));
    reply.headers = fields(head);
    scrubbed(reply, &Method::GET, Rc::new(needle))
}

fn poll(body: &mut Scrubbed<Script, Rc<Needle>>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Everything until the end: the data, the trailers, and whether it was cut off.
fn all(mut body: Scrubbed<Script, Rc<Needle>>) -> (String, Option<HeaderMap>, bool) {
    let (mut text, mut trailers) = (Vec::new(), None);
    loop {
        match poll(&mut body) {
            Poll::Pending => {}
            Poll::Ready(None) => {
                assert!(body.has_ended() && body.is_end_stream());
                return (String::from_utf8(text).unwrap(), trailers, false);
            }
            Poll::Ready(Some(Err(CutOff))) => {
                assert!(!body.has_ended() && matches!(poll(&mut body), Poll::Ready(Some(Err(CutOff)))));
                return (String::from_utf8(text).unwrap(), trailers, true);
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    assert!(trailers.is_none() && !data.is_empty());
                    text.extend_from_slice(&data);
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    }
}

#[test]
fn hazard_18_reason_fields_and_their_names() {
    let mut reply = Reply::new(());
    reply.reason = Reason::new(format!("Bad key {SECRET}").as_bytes());
    reply.headers = fields(&[
        ("location", "https://a.example/?key=sk_live%5F0123456789&b"),
        ("set-cookie", "a=b"),
        ("set-cookie", &format!("key={SECRET}")),
        ("x-sk_live_0123456789", "1"),
    ]);
    let needle = Needle::of([&Secret::new(Zeroizing::new(SECRET.into()))]).unwrap();
    assert_eq!(scrub_head(&needle, &mut reply), 4);
    assert_eq!(reply.reason.as_ref().unwrap().as_bytes(), b"Bad key ******************");
    let expected = [
        ("location", "https://a.example/?key=********************&b"),
        ("set-cookie", "a=b"),
        ("set-cookie", "key=******************"),
    ];
    assert_eq!(reply.headers, fields(&expected));
}

#[test]
fn c12_bodies_keep_their_length_and_trailers_follow_what_was_held() {
    let trailers = Frame::trailers(map(&[("grpc-message", SECRET), ("grpc-status", "0")]));
    let frames = vec![data("a sk_live_"), None, data("0123456789 b sk_li"), Some(Ok(trailers))];
    let reply = of(&[("content-length", "34")], frames).unwrap();
    assert_eq!(reply.headers["content-length"], "34");
    let mut body = reply.body;
    assert_eq!(body.size_hint().exact(), Some(28));
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.data_ref().unwrap() == "a "));
    assert!(poll(&mut body).is_pending());
    assert_eq!(body.size_hint().exact(), Some(26), "what is held counts");
    let (text, trailers, cut) = all(body);
    assert_eq!((text.as_str(), cut), ("****************** b sk_li", false));
    assert_eq!(trailers, Some(map(&[("grpc-message", "******************"), ("grpc-status", "0")])));
}

#[test]
fn the_upstreams_end_is_not_the_end_while_something_is_held() {
    let mut body = of(&[], vec![data("a sk_li")]).unwrap().body;
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
    assert!(body.inner().is_end_stream() && !body.is_end_stream() && !body.has_ended());
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.data_ref().unwrap() == "sk_li"));
    assert!(body.has_ended());
    let empty = of(&[], vec![]).unwrap().body;
    assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
}

#[test]
fn events_flow_at_once() {
    let mut body = of(&[], vec![data("data: one\n\n"), None, data("data: two\n\n")]).unwrap().body;
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.data_ref().unwrap() == "data: one\n\n"));
    assert!(poll(&mut body).is_pending());
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn hazard_18_secrets_in_encoded_replies() {
    let says = |secret: &str| format!(r#"{{"error":"the key {secret} is not valid, {secret} it was"}}"#);
    // What a Brotli encoder makes of it.
    let brotli = b"\x1b\x4d\x00\x80\x64\xb7\x61\xaa\x63\x21\x79\x7e\x2b\x4b\x03\x65\xa0\x61\x2b\x22\x82\x43\x4e\xc0\x7f\x94\xb6\xdc\xd2\x4a\xe3\xf2\xa1\x19\x38\xd0\x26\x83\xf0\x05\x15\xd2\x07\x39\x1f\x62\xca\xa5\xb6\x0e\x4b\x61\x1f\xcb\x51\x34\x10\x8d\x52\xf0\x03";
    let mut zstd = [0; 200];
    let length = zstd_safe::compress(&mut zstd[..], says(SECRET).as_bytes(), 3).unwrap();
    for (coding, encoded) in [("gzip", &gzipped(&says(SECRET))[..]), ("br", brotli), ("zstd", &zstd[..length])] {
        let head = [("content-encoding", coding), ("content-length", "88"), ("etag", "\"a\"")];
        for piece in [1, 10, 1000] {
            let reply = of(&head, encoded.chunks(piece).map(data).collect()).unwrap();
            assert_eq!(reply.headers, fields(&[("etag", "W/\"a\"")]));
            assert_eq!(reply.body.size_hint().exact(), None);
            assert_eq!(all(reply.body), (says("******************"), None, false), "{coding}");
        }
    }
    assert!(of(&[("content-encoding", "compress")], vec![]).is_err());
}

#[test]
fn c12_a_broken_encoded_reply_never_ends_cleanly() {
    let encoded = gzipped(&"some text ".repeat(50));
    let of = |frames| all(of(&[("content-encoding", "gzip")], frames).unwrap().body);
    assert!(of(vec![data(&encoded[..encoded.len() - 1])]).2, "truncated");
    assert!(of(vec![data(&encoded), data("more")]).2);
    assert!(of(vec![data(b"not gzip at all")]).2);
    assert!(of(vec![data(&encoded[..20]), Some(Err(CutOff))]).2);
    assert!(of(vec![data(&encoded[..20]), Some(Ok(Frame::trailers(map(&[("a", "b")]))))]).2);
    assert_eq!(of(vec![]), (String::new(), None, false), "nothing at all is not encoded");
}

#[test]
fn what_answers_head_stays() {
    let needle = Rc::new(Needle::of([&Secret::new(Zeroizing::new(SECRET.into()))]).unwrap());
    for (method, status) in [(Method::HEAD, StatusCode::OK), (Method::GET, StatusCode::NOT_MODIFIED)] {
        let mut reply = Reply::new(Script::default());
        reply.status = status;
        reply.headers = fields(&[("content-encoding", "gzip"), ("content-length", "9"), ("x-key", SECRET)]);
        let reply = scrubbed(reply, &method, needle.clone()).unwrap();
        let expected = [("content-encoding", "gzip"), ("content-length", "9"), ("x-key", "******************")];
        assert_eq!(reply.headers, fields(&expected));
        assert_eq!(reply.body.replaced(), 1);
    }
}
