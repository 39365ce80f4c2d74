use super::*;
use http::{HeaderName, HeaderValue, Method};

fn rule(status: (u16, u16), contains: &[&str], json: &[(&str, &str)], meaning: Meaning) -> Rule {
    Rule {
        status: vec![status],
        contains: contains.iter().map(|w| (*w).to_owned()).collect(),
        json: json.iter().map(|(p, v)| ((*p).to_owned(), (*v).to_owned())).collect(),
        header: None,
        meaning,
        says: "It is so.".to_owned(),
        remedy: None,
    }
}

fn verify(rules: Vec<Rule>) -> Verify {
    Verify { method: Method::GET, path: "/me".to_owned(), headers: vec![], body: None, rules }
}

fn told(rules: Vec<Rule>, status: u16, body: &str, whole: bool) -> &'static str {
    told_with(rules, status, &[], body, whole)
}

fn told_with(
    rules: Vec<Rule>,
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &str,
    whole: bool,
) -> &'static str {
    let headers: Fields =
        headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
    let reply =
        Reply { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body: body.as_bytes(), whole };
    let verdict = Verdict::of_reply(&verify(rules), &reply);
    assert_eq!(verdict.status.map(|s| s.as_u16()), Some(status));
    verdict.meaning
}

fn scopes_then_key() -> Vec<Rule> {
    vec![
        rule((200, 200), &[], &[], Meaning::Active),
        rule((401, 403), &["missing scopes"], &[], Meaning::MissingScope),
        rule((401, 401), &[], &[], Meaning::BadKey),
    ]
}

#[test]
fn c8_the_first_rule_that_fits_counts() {
    assert_eq!(told(scopes_then_key(), 200, "anything", true), "active");
    assert_eq!(told(scopes_then_key(), 401, "You have Missing Scopes: x", true), "missing_scope");
    assert_eq!(told(scopes_then_key(), 401, "no", true), "bad_key");
    assert_eq!(told(scopes_then_key(), 403, "no", true), "inconclusive", "no rule says it");
}

#[test]
fn c8_json_is_compared_by_path_and_as_text() {
    let code = |path: &str, value: &str| vec![rule((401, 401), &[], &[(path, value)], Meaning::BadKey)];
    for (path, value, body) in [
        ("code", "20003", r#"{"code": 20003}"#),
        ("code", "20003", r#"{"code": "20003"}"#),
        ("error.type", "x", r#"{"error": {"type": "x"}}"#),
        ("ok", "false", r#"{"ok": false}"#),
        ("errors.1.code", "7", r#"{"errors": [{}, {"code": 7}]}"#),
    ] {
        assert_eq!(told(code(path, value), 401, body, true), "bad_key", "{body}");
    }
    for body in ["", "{", "[]", "null", r#"{"code": 2}"#, r#"{"code": {"code": 20003}}"#, r#"{"code": null}"#, "20003"]
    {
        assert_eq!(told(code("code", "20003"), 401, body, true), "inconclusive", "{body}");
    }
}

#[test]
fn c8_what_was_not_read_to_its_end_is_not_judged_by_what_is_missing() {
    assert_eq!(told(scopes_then_key(), 401, "You have mis", false), "inconclusive");
    assert_eq!(told(scopes_then_key(), 401, "missing scopes, an", false), "missing_scope", "what is there counts");
    assert_eq!(told(scopes_then_key(), 200, "", false), "active", "no body is asked for");
    let zipped = [("content-encoding", "gzip")];
    assert_eq!(told_with(scopes_then_key(), 401, &zipped, "missing scopes", true), "inconclusive");
    assert_eq!(told_with(scopes_then_key(), 401, &[("content-encoding", "identity")], "no", true), "bad_key");
}

#[test]
fn c8_a_header_can_tell() {
    let mut scope = rule((403, 403), &[], &[], Meaning::MissingScope);
    scope.header = Some(HeaderName::from_static("x-accepted-permissions"));
    assert_eq!(told_with(vec![scope.clone()], 403, &[("x-accepted-permissions", "a")], "", true), "missing_scope");
    assert_eq!(told(vec![scope], 403, "", true), "inconclusive");
}

#[test]
fn c8_c10_what_no_rule_covers_is_never_a_bad_key() {
    for (status, meaning) in [
        (301, "inconclusive"),
        (302, "inconclusive"),
        (308, "inconclusive"),
        (404, "inconclusive"),
        (429, "inconclusive"),
        (500, "provider_down"),
        (503, "provider_down"),
        (599, "provider_down"),
        (204, "inconclusive"),
    ] {
        assert_eq!(told(scopes_then_key(), status, "missing scopes", true), meaning, "{status}");
    }
    for (status, meaning) in
        [(200, "active"), (204, "active"), (401, "bad_key"), (403, "missing_scope"), (400, "inconclusive")]
    {
        assert_eq!(told(vec![], status, "", true), meaning, "{status}, without rules");
    }
}

#[test]
fn c8_no_reply_says_nothing_of_the_secret() {
    let cause = || "api.example: it is so".to_owned();
    for denial in [
        Denial::DestinationNotAllowed { cause: cause() },
        Denial::UpstreamTls { cause: cause() },
        Denial::UpstreamProtocol { cause: cause() },
        Denial::UpstreamUnreachable { cause: cause() },
        Denial::UpstreamConnectTimeout { cause: cause() },
        Denial::UpstreamTimeout { phase: "api.example: it is so" },
    ] {
        let verdict = Verdict::unreachable(&denial);
        assert_eq!((verdict.state, verdict.meaning, verdict.status), (State::Inconclusive, "unreachable", None));
        assert_eq!(verdict.code, Some(denial.code()));
        assert!(verdict.says.contains("(api.example: it is so)."), "{}", verdict.says);
        assert!(verdict.remedy.is_some_and(|r| r.ends_with('.') && r.starts_with(char::is_uppercase)));
    }
    assert_eq!(Verdict::needs_secret().state, State::Error);
    assert_eq!(Verdict::no_way().state, State::Inconclusive);
}

#[test]
fn c8_a_clear_no_is_said_of_the_key_itself_and_not_of_what_it_may_do() {
    let verdict = |meaning| {
        let reply = Reply { status: StatusCode::FORBIDDEN, headers: &Fields::new(), body: b"", whole: true };
        Verdict::of_reply(&verify(vec![rule((403, 403), &[], &[], meaning)]), &reply)
    };
    assert!(verdict(Meaning::BadKey).is_clear_no() && verdict(Meaning::WrongRegion).is_clear_no());
    for open in
        [Meaning::Active, Meaning::MissingScope, Meaning::NotEnabled, Meaning::ProviderDown, Meaning::Inconclusive]
    {
        assert!(!verdict(open).is_clear_no(), "{}", open.name());
    }
}
