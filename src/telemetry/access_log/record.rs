//! The access record and its two renderings.

use std::net::IpAddr;

use super::Format;
use super::line::{Json, Line, Style, Text, key};

/// Everything that is told about one request; borrowed, since it lives only while it is written. What is `None` or
/// false is left out of the line.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// Milliseconds since 1970, when the request began.
    pub time_ms: i64,
    pub request_id: &'a [u8],
    pub listener: &'static str,
    pub address: IpAddr,
    /// `HTTP/1.1`, `HTTP/2.0`
    pub protocol: &'static str,
    pub method: &'a str,
    /// The canonical path, never the query.
    pub path: &'a str,
    /// The key's name.
    pub key: Option<&'a str>,
    pub slot: Option<&'static str>,
    pub key_id: Option<&'a str>,
    pub workflow: Option<&'a str>,
    pub environment: Option<&'a str>,
    pub connection: Option<&'a str>,
    pub status: u16,
    /// The reason code, if the gateway itself answered.
    pub code: Option<&'static str>,
    /// H4, H6: what it answered with 200: `replayed`, `handshake`.
    pub answered: Option<&'static str>,
    /// Whose fault it was: `client`, `gateway`, `upstream`.
    pub whose: Option<&'static str>,
    /// The full cause, which the caller was not told.
    pub cause: Option<&'a str>,
    pub credential_place: Option<&'static str>,
    /// K6: the key came in the URL.
    pub credential_in_query: bool,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// C12: secrets that were taken from the reply; left out if none.
    pub scrubbed: u64,
    pub duration_us: u64,
    pub upstream_us: Option<u64>,
    /// `complete`, `client_gone`, `upstream_died`, …
    pub end: &'static str,
    /// As the header holds it: bytes, since nothing makes a client send UTF-8.
    pub user_agent: Option<&'a [u8]>,
}

/// Appends the record as one line.
pub(super) fn push(out: &mut Vec<u8>, format: Format, record: &AccessRecord<'_>) {
    match format {
        Format::Json => push_as::<Json>(out, record),
        Format::Text => push_as::<Text>(out, record),
    }
}

fn push_as<S: Style>(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let mut line = Line::<S>::new(out);
    line.time(key!(first "time"), record.time_ms);
    line.foreign(key!("request_id"), record.request_id);
    line.word(key!("listener"), record.listener);
    line.address(key!("address"), record.address);
    line.word(key!("protocol"), record.protocol);
    line.foreign(key!("method"), record.method.as_bytes());
    line.foreign(key!("path"), record.path.as_bytes());
    push_parties(&mut line, record);
    line.number(key!("status"), u64::from(record.status));
    push_outcome(&mut line, record);
    line.number(key!("bytes_in"), record.bytes_in);
    line.number(key!("bytes_out"), record.bytes_out);
    if record.scrubbed > 0 {
        line.number(key!("scrubbed"), record.scrubbed);
    }
    line.number(key!("duration_us"), record.duration_us);
    if let Some(upstream_us) = record.upstream_us {
        line.number(key!("upstream_us"), upstream_us);
    }
    line.word(key!("end"), record.end);
    if let Some(user_agent) = record.user_agent {
        line.foreign(key!("user_agent"), user_agent);
    }
    line.end();
}

fn push_parties<S: Style>(line: &mut Line<'_, S>, record: &AccessRecord<'_>) {
    line.optional_text(key!("key"), record.key);
    line.optional_word(key!("slot"), record.slot);
    line.optional_text(key!("key_id"), record.key_id);
    line.optional_text(key!("workflow"), record.workflow);
    line.optional_text(key!("environment"), record.environment);
    line.optional_text(key!("connection"), record.connection);
}

fn push_outcome<S: Style>(line: &mut Line<'_, S>, record: &AccessRecord<'_>) {
    line.optional_word(key!("code"), record.code);
    line.optional_word(key!("answered"), record.answered);
    line.optional_word(key!("whose"), record.whose);
    if let Some(cause) = record.cause {
        line.foreign(key!("cause"), cause.as_bytes());
    }
    line.optional_word(key!("credential_place"), record.credential_place);
    if record.credential_in_query {
        line.flag(key!("credential_in_query"));
    }
}

/// What a record may look like.
#[cfg(any(test, fuzzing))]
pub fn example() -> AccessRecord<'static> {
    AccessRecord {
        time_ms: 1_767_225_599_999,
        request_id: b"01J0",
        listener: "inbound",
        address: IpAddr::from([192, 0, 2, 7]),
        protocol: "HTTP/1.1",
        method: "POST",
        path: "/orders/42",
        key: Some("Shop 1"),
        slot: Some("primary"),
        key_id: Some("k1"),
        workflow: Some("orders"),
        environment: Some("Production"),
        connection: None,
        status: 200,
        code: None,
        answered: None,
        whose: None,
        cause: None,
        credential_place: Some("header"),
        credential_in_query: false,
        bytes_in: 12,
        bytes_out: 345,
        scrubbed: 0,
        duration_us: 6_789,
        upstream_us: Some(6_000),
        end: "complete",
        user_agent: Some(b"curl/8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::escape::is_one_printable_line;
    use crate::telemetry::redact::redact;
    use proptest::prelude::*;

    fn rendered(format: Format, record: &AccessRecord<'_>) -> String {
        let mut out = Vec::new();
        push(&mut out, format, record);
        String::from_utf8(out).expect("a record is text")
    }

    #[test]
    fn t3_a_record_in_json() {
        assert_eq!(
            rendered(Format::Json, &example()),
            concat!(
                r#"{"time":"2025-12-31T23:59:59.999Z","request_id":"01J0","listener":"inbound","#,
                r#""address":"192.0.2.7","protocol":"HTTP/1.1","method":"POST","path":"/orders/42","#,
                r#""key":"Shop 1","slot":"primary","key_id":"k1","workflow":"orders","#,
                r#""environment":"Production","status":200,"credential_place":"header","#,
                r#""bytes_in":12,"bytes_out":345,"duration_us":6789,"upstream_us":6000,"#,
                r#""end":"complete","user_agent":"curl/8"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn t3_a_record_in_text() {
        assert_eq!(
            rendered(Format::Text, &example()),
            concat!(
                "time=2025-12-31T23:59:59.999Z request_id=01J0 listener=inbound address=192.0.2.7 ",
                "protocol=HTTP/1.1 method=POST path=/orders/42 key=\"Shop 1\" slot=primary key_id=k1 ",
                "workflow=orders environment=Production status=200 credential_place=header ",
                "bytes_in=12 bytes_out=345 duration_us=6789 upstream_us=6000 ",
                "end=complete user_agent=curl/8\n"
            )
        );
    }

    #[test]
    fn k6_a_key_in_the_url_is_flagged_and_t3_never_shown() {
        let record = AccessRecord {
            path: "/a/%256bst_AB1",
            status: 401,
            code: Some("query_key_sunset"),
            whose: Some("client"),
            cause: Some("sunset of kst_AB1"),
            credential_place: Some("query"),
            credential_in_query: true,
            user_agent: Some(b"kst%5fAB1 \xff"),
            request_id: b"kst_AB1",
            ..example()
        };
        let json = rendered(Format::Json, &record);
        let parsed: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(parsed["credential_in_query"], true);
        assert_eq!(parsed["path"], "/a/kst_***");
        assert_eq!(parsed["cause"], "sunset of kst_***");
        assert_eq!(parsed["user_agent"], "kst_*** \u{fffd}");
        assert!(!json.contains("AB1"));
        assert!(!rendered(Format::Text, &record).contains("AB1"));
    }

    proptest! {
        #[test]
        fn hazard_33_any_input_is_one_line_that_parses_back(
            path: String, name: String, cause: String, agent: Vec<u8>,
        ) {
            let record = AccessRecord {
                path: &path,
                key: Some(&name),
                cause: Some(&cause),
                user_agent: Some(&agent),
                ..example()
            };
            let json = rendered(Format::Json, &record);
            let text = rendered(Format::Text, &record);
            for line in [&json, &text] {
                let body = line.strip_suffix('\n').expect("ends its line");
                prop_assert!(is_one_printable_line(body));
            }
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parsed["key"].as_str().unwrap(), name);
            prop_assert_eq!(parsed["path"].as_str().unwrap(), redact(&path));
            let agent = String::from_utf8_lossy(&agent).into_owned();
            prop_assert_eq!(parsed["user_agent"].as_str().unwrap(), redact(&agent));
        }
    }
}
