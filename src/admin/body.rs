//! Reading a request's body: bounded, timed, wiped when it goes, since it may hold a secret.

use super::json;
use super::problem::Problem;
use crate::control::Wrong;
use bytes::{Buf, Bytes};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::time::Duration;
use zeroize::Zeroizing;

/// The largest import; a resource takes a hundredth of it.
pub const MOST: usize = 1 << 20;
/// The whole body, from its head on.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long, and for how many bytes, a caller is heard out who was refused while still sending.
const HEARING: (Duration, usize) = (Duration::from_secs(3), 4 * MOST);

pub const JSON: &str = "application/json";
pub const MERGE_PATCH: &str = "application/merge-patch+json";

/// What a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Nothing,
    /// May be left out.
    Optional,
    Required,
    /// RFC 7396; plain JSON is taken for it as well.
    Patch,
}

/// Checked JSON, and the names of its fields.
#[derive(Debug, Default)]
pub struct Given {
    pub text: Zeroizing<String>,
    names: Vec<String>,
}

/// Reads what the call wants, or refuses what it does not.
pub async fn read<B: Body<Data = Bytes>>(
    fields: &HeaderMap,
    body: Pin<&mut B>,
    wanted: Wanted,
) -> Result<Given, Problem> {
    if is_absent(fields) {
        return if matches!(wanted, Wanted::Nothing | Wanted::Optional) {
            Ok(Given::default())
        } else {
            Err(missing())
        };
    }
    if wanted == Wanted::Nothing {
        return Err(Problem::bad_request("unexpected_body", "this call takes no body", "leave it out"));
    }
    is_json(fields, wanted)?;
    let said = fields.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > MOST as u64) {
        return Err(too_large());
    }
    let whole = tokio::time::timeout(PATIENCE, collect(body, said));
    let bytes = whole.await.map_err(|_| too_slow())??;
    if bytes.is_empty() && wanted == Wanted::Optional {
        return Ok(Given::default());
    }
    Given::of(bytes)
}

impl Given {
    fn of(mut bytes: Zeroizing<Vec<u8>>) -> Result<Given, Problem> {
        let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            Problem::bad_request("bad_body", "the body is not UTF-8", "send JSON in UTF-8")
        })?;
        let text = Zeroizing::new(text);
        let names = json::object(&text).map_err(|fault| {
            Problem::bad_request("bad_body", fault.detail(), "send one JSON object, each field once")
        })?;
        Ok(Given { text, names })
    }

    /// As a type of ours with these fields. What the reader says of a value is not passed on: it may quote it.
    pub fn into<T: DeserializeOwned + Default>(self, fields: &[&str]) -> Result<T, Problem> {
        if self.text.is_empty() {
            return Ok(T::default());
        }
        let unknown = self.names.iter().filter(|name| !fields.contains(&name.as_str()));
        let wrong: Vec<Wrong> = unknown.map(|name| stranger(name, fields)).collect();
        if !wrong.is_empty() {
            return Err(invalid("the body holds fields that are not known here", fields).wrong(wrong));
        }
        serde_json::from_str(&self.text).map_err(|_| invalid("a field is missing or is of the wrong type", fields))
    }
}

fn stranger(name: &str, fields: &[&str]) -> Wrong {
    let near = crate::config::mistake::nearest(name, fields.iter().copied());
    let remedy = near.map_or_else(|| "remove it".to_owned(), |near| format!("did you mean {near}?"));
    Wrong { field: name.to_owned(), reason: "unknown field".to_owned(), remedy }
}

fn invalid(detail: &str, fields: &[&str]) -> Problem {
    let hint = format!("the body takes {}", fields.join(", "));
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail, hint)
}

/// A request without either field has no body (RFC 9112, section 6.3).
fn is_absent(fields: &HeaderMap) -> bool {
    let length = fields.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    !fields.contains_key(TRANSFER_ENCODING) && length.is_none_or(|length| length == b"0")
}

fn is_json(fields: &HeaderMap, wanted: Wanted) -> Result<(), Problem> {
    let mut lines = fields.get_all(CONTENT_TYPE).iter();
    let kind = lines.next().filter(|_| lines.next().is_none()).and_then(|line| line.to_str().ok());
    let (kind, parameters) = kind.map_or(("", ""), |line| line.split_once(';').unwrap_or((line, "")));
    let kind = kind.trim().to_ascii_lowercase();
    let charset = parameters.trim().to_ascii_lowercase().replace('"', "");
    let fits = kind == JSON || (kind == MERGE_PATCH && wanted == Wanted::Patch);
    if fits && matches!(charset.as_str(), "" | "charset=utf-8") && !fields.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let kind = if wanted == Wanted::Patch { MERGE_PATCH } else { JSON };
    let hint = format!("send Content-Type: {kind}, in UTF-8 and without Content-Encoding");
    let detail = "the body is not said to be JSON";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail, hint))
}

/// Takes in what is still to come, so that no reset overtakes the refusal. Who waits for leave to send is not given it.
pub async fn hear_out<B: Body<Data = Bytes>>(fields: &HeaderMap, mut body: Pin<&mut B>) {
    if is_absent(fields) || fields.contains_key(EXPECT) {
        return;
    }
    let (patience, mut left) = HEARING;
    let hearing = async {
        while let Some(Ok(frame)) = body.frame().await {
            let heard = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(heard) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // A caller who takes longer does without the reply.
    let _ = tokio::time::timeout(patience, hearing).await;
}

async fn collect<B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    said: Option<u64>,
) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let room = said.and_then(|length| usize::try_from(length).ok()).unwrap_or(4096).min(MOST);
    let mut whole = Zeroizing::new(Vec::with_capacity(room));
    while let Some(frame) = body.frame().await {
        let cut = |_| Problem::bad_request("bad_request", "the body ended before its end", "send it whole");
        let Ok(mut data) = frame.map_err(cut)?.into_data() else { continue };
        if whole.len() + data.remaining() > MOST {
            return Err(too_large());
        }
        append(&mut whole, &data);
        data.advance(data.remaining());
    }
    Ok(whole)
}

/// A vector that grows leaves its old bytes behind; here they are wiped.
fn append(whole: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    if whole.capacity() - whole.len() < data.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity((whole.len() + data.len()) * 2));
        larger.extend_from_slice(whole);
        *whole = larger;
    }
    whole.extend_from_slice(data);
}

fn missing() -> Problem {
    Problem::bad_request("body_missing", "this call wants a body", "send a JSON object with its Content-Length")
}

/// What is left of such a request is nobody's next one; hyper closes the connection.
fn too_large() -> Problem {
    let detail = format!("the body is larger than {MOST} bytes");
    let hint = "split an import into several";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail, hint)
        .with(CONNECTION_CLOSE.0, CONNECTION_CLOSE.1)
}

fn too_slow() -> Problem {
    let detail = format!("the body did not arrive within {} s", PATIENCE.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail, "send it at once")
        .with(CONNECTION_CLOSE.0, CONNECTION_CLOSE.1)
}

const CONNECTION_CLOSE: (http::HeaderName, &str) = (http::header::CONNECTION, "close");

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::body::Frame;
    use serde::Deserialize;
    use std::convert::Infallible;
    use std::pin::pin;

    async fn reading(fields: &[(&str, &str)], body: &[u8], wanted: Wanted) -> Result<String, (u16, &'static str)> {
        let fields: HeaderMap = fields
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let given = read(&fields, pin!(Full::new(Bytes::copy_from_slice(body))), wanted).await;
        given.map(|given| given.text.to_string()).map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    const CHUNKED: (&str, &str) = ("transfer-encoding", "chunked");

    #[tokio::test]
    async fn a_body_is_json_by_its_name_and_by_its_nature() {
        let ours = [CHUNKED, ("content-type", "Application/JSON; charset=\"UTF-8\"")];
        assert_eq!(reading(&ours, b"{\"a\":1}", Wanted::Required).await, Ok("{\"a\":1}".to_owned()));
        assert_eq!(reading(&ours, b"\xff{}", Wanted::Required).await, Err((400, "bad_body")));
        assert_eq!(reading(&ours, b"{\"a\":1,\"a\":2}", Wanted::Required).await, Err((400, "bad_body")));
        assert_eq!(reading(&ours, b"", Wanted::Required).await, Err((400, "bad_body")));
        assert_eq!(reading(&ours, b"", Wanted::Optional).await, Ok(String::new()));
        let patch = [CHUNKED, ("content-type", MERGE_PATCH)];
        assert_eq!(reading(&patch, b"{}", Wanted::Patch).await, Ok("{}".to_owned()));
        assert_eq!(reading(&patch, b"{}", Wanted::Required).await, Err((415, "unsupported_media_type")));
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "json", ""]
        {
            let verdict = reading(&[CHUNKED, ("content-type", other)], b"{}", Wanted::Patch).await;
            assert_eq!(verdict, Err((415, "unsupported_media_type")), "{other}");
        }
        let encoded = [ours[0], ours[1], ("content-encoding", "gzip")];
        assert_eq!(reading(&encoded, b"{}", Wanted::Required).await, Err((415, "unsupported_media_type")));
        assert_eq!(reading(&[CHUNKED], b"{}", Wanted::Required).await, Err((415, "unsupported_media_type")));
    }

    #[tokio::test]
    async fn a_body_is_there_where_one_is_wanted_and_nowhere_else() {
        assert_eq!(reading(&[], b"", Wanted::Required).await, Err((400, "body_missing")));
        assert_eq!(reading(&[("content-length", "0")], b"", Wanted::Patch).await, Err((400, "body_missing")));
        assert_eq!(reading(&[], b"", Wanted::Nothing).await, Ok(String::new()));
        assert_eq!(reading(&[("content-length", "2")], b"{}", Wanted::Nothing).await, Err((400, "unexpected_body")));
    }

    #[tokio::test]
    async fn a_body_is_bounded_whether_it_says_its_length_or_not() {
        let kind = ("content-type", JSON);
        let said = reading(&[("content-length", "1048577"), kind], b"{}", Wanted::Required).await;
        assert_eq!(said, Err((413, "body_too_large")));
        let endless = in_pieces(std::iter::repeat_n(Bytes::from_static(&[b' '; 4096]), 1000));
        let fields = [CHUNKED, kind].map(|(n, v)| (n.parse::<http::HeaderName>().unwrap(), v.parse().unwrap()));
        let refused = read(&fields.into_iter().collect(), pin!(endless), Wanted::Required).await.unwrap_err();
        assert_eq!(refused.code(), "body_too_large");
    }

    fn in_pieces(pieces: impl Iterator<Item = Bytes>) -> impl Body<Data = Bytes, Error = Infallible> {
        Pieces(pieces.collect())
    }

    struct Pieces(std::collections::VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[derive(Debug, Default, Deserialize)]
    struct Small {
        grace: Option<String>,
    }

    #[test]
    fn fields_of_small_bodies_are_known_by_name_and_values_never_repeated() {
        let given = |text: &str| Given::of(Zeroizing::new(text.as_bytes().to_vec())).unwrap();
        assert_eq!(given(r#"{"grace":"1h"}"#).into::<Small>(&["grace"]).unwrap().grace.as_deref(), Some("1h"));
        assert!(Given::default().into::<Small>(&["grace"]).unwrap().grace.is_none());
        let unknown = given(r#"{"grase":"hunter2"}"#).into::<Small>(&["grace"]).unwrap_err();
        let wrong = given(r#"{"grace":["hunter2"]}"#).into::<Small>(&["grace"]).unwrap_err();
        for problem in [unknown, wrong] {
            assert_eq!((problem.status().as_u16(), problem.code()), (422, "invalid"));
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }
}
