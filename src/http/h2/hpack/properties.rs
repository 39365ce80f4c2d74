//! Several blocks on one connection, and others who read and write the same.

use super::tests::{PLENTY, lines};
use super::*;
use http::header::HeaderName;
use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

type Fields = Vec<(HeaderName, HeaderValue)>;

/// Fields of which many come again, some of them secret.
fn fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        prop::sample::select(
            &["content-type", "date", "etag", "set-cookie", "server", "vary", "x-request-id", "link"][..]
        )
        .prop_map(HeaderName::from_static),
        "[a-z]{1,3}".prop_map(|name| name.parse().unwrap()),
        "[a-z0-9!#$%&'*+.^_`|~-]{1,90}".prop_map(|name| format!("x{name}").parse().unwrap()),
    ];
    let value = prop_oneof![
        4 => "[ab]{0,2}",
        1 => "[!-~]([ -~]{0,150}[!-~])?",
        1 => "\\PC{0,20}".prop_map(|text| text.trim_matches([' ', '\t']).to_owned()),
    ];
    let secret = prop::bool::weighted(0.1);
    let field = (name, value, secret).prop_map(|(name, value, secret)| {
        let mut value = HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("none"));
        value.set_sensitive(secret);
        (name, value)
    });
    // What belongs to connections is the caller's matter.
    let field = field.prop_filter("te", |(name, _)| name != "te");
    proptest::collection::vec(field, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn rfc_7541_2_what_is_written_is_read_whatever_the_table_holds(
        blocks in proptest::collection::vec((fields(), proptest::collection::vec(0_u32..300, 0..3), any::<bool>()), 1..12),
    ) {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for (fields, sizes, wide) in blocks {
            for size in sizes {
                encoder.set_table(if wide { size * 30 } else { size });
            }
            let mut out = Vec::new();
            encoder.begin(&mut out);
            fields.iter().for_each(|(name, value)| encoder.field(&mut out, name, value));
            let read = lines(&mut decoder, &out).unwrap();
            for (line, (name, value)) in read.iter().zip(&fields) {
                prop_assert_eq!(line, &Line::Field(name.clone(), value.clone()));
                let Line::Field(_, read) = line else { unreachable!() };
                prop_assert!(read.is_sensitive() || !value.is_sensitive(), "a secret remains one");
            }
            prop_assert_eq!(read.len(), fields.len());
            prop_assert_eq!(decoder.counted(), encoder.counted());
            prop_assert!(decoder.counted() <= TABLE);
        }
    }

    #[test]
    fn rfc_7541_any_bytes_are_read_or_refused(
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..5),
        limit in 0_usize..400,
    ) {
        let (mut all, mut limited) = (Decoder::new(), Decoder::new());
        for block in blocks {
            let (mut every, mut few) = (Vec::new(), Vec::new());
            let read = all.decode(&block, PLENTY, &mut |line| every.push(line));
            let within = limited.decode(&block, limit, &mut |line| few.push(line));
            prop_assert!(every.starts_with(&few));
            prop_assert_eq!(read.is_err(), within.is_err());
            prop_assert!(within != Ok(Fits::Yes) || few == every);
            prop_assert_eq!(all.counted(), limited.counted());
            prop_assert!(all.counted() <= TABLE);
            if read.is_err() {
                break;
            }
        }
    }
}

/// The next frame of HEADERS from a client: its stream and its block.
async fn headers(wire: &mut DuplexStream) -> (u32, Vec<u8>) {
    loop {
        let mut head = [0; 9];
        wire.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        wire.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            assert_eq!(head[4] & 0x28, 0, "neither padding nor priority");
            return (u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload);
        }
    }
}

/// The `h2` crate's client reads what we write, and we read what it writes, over many requests of one connection.
#[test]
fn rfc_7541_2_another_implementation_understands_and_is_understood() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let (ours, mut wire) = tokio::io::duplex(1 << 16);
        let (mut client, connection) = h2::client::handshake(ours).await.unwrap();
        tokio::task::spawn_local(connection);
        let mut preface = [0; 24];
        wire.read_exact(&mut preface).await.unwrap();
        wire.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]).await.unwrap();
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for round in 0..40_usize {
            let path = format!("/a/{round}?b=%20");
            let varying = format!("v{}", round % 7);
            let request = Request::get(format!("https://a.example{path}"))
                .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
                .header("x-varying", &varying)
                .header("authorization", "Bearer abc~def");
            let (reply, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
            let (stream, block) = headers(&mut wire).await;
            let read = lines(&mut decoder, &block).unwrap();
            assert!(read.contains(&Line::Method(Method::GET)) && read.contains(&Line::Scheme(Scheme::HTTPS)));
            assert!(read.contains(&Line::Path(path.parse().unwrap())));
            assert!(read.contains(&Line::Authority("a.example".parse().unwrap())));
            assert!(read.contains(&super::tests::field("x-varying", &varying)));
            assert!(read.contains(&super::tests::field("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")));
            assert!(read.contains(&super::tests::field("authorization", "Bearer abc~def")));
            assert_eq!(read.len(), 7);
            let status = [200, 302, 404, 503][round % 4];
            let wanted = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .header("x-few", (round % 3).to_string())
                .header("date", format!("Mon, 21 Oct 2013 20:13:{} GMT", 10 + round / 5))
                .header("x-long-and-many", "x".repeat(round * 5))
                .header("set-cookie", format!("a={round}"))
                .header("x-varying", &varying);
            let wanted = wanted.body(()).unwrap();
            let mut block = Vec::new();
            encoder.status(&mut block, StatusCode::from_u16(status).unwrap());
            wanted.headers().iter().for_each(|(name, value)| encoder.field(&mut block, name, value));
            let length = (block.len() as u32).to_be_bytes();
            let head = [&length[1..], &[1, 5], &stream.to_be_bytes()].concat();
            wire.write_all(&[head, block].concat()).await.unwrap();
            let reply = reply.await.unwrap();
            assert_eq!((reply.status(), reply.headers()), (wanted.status(), wanted.headers()));
        }
        assert!(encoder.counted() > 300, "the table was used");
    }));
}
