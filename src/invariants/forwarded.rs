//! What proxies say of whom they speak for.

use super::requests::request;
use super::steer;
use crate::model::Fields;
use crate::model::listener::ForwardedField;
use crate::policy::address::within;
use crate::policy::forwarded::{Side, called, client, extend};
use http::header::{FORWARDED, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;

/// Of a proxy that is trusted, of one that is not, and of a caller.
const TRUSTED: &str = "10.0.0.1";
const UNTRUSTED: &str = "203.0.113.1";
const CALLER: &str = "198.51.100.7";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// `fields` as a proxy passes them on that adds whom it heard them from, in the same line or in one of its own.
fn passed_on(fields: &Fields, name: &HeaderName, element: &str, same_line: bool) -> Fields {
    let mut fields = fields.clone();
    let last = fields.get_all(name).next_back().cloned();
    match last.filter(|_| same_line) {
        None => {
            fields.append(name, HeaderValue::from_str(element).expect("a value"));
        }
        Some(last) => {
            let mut lines: Vec<HeaderValue> = fields.get_all(name).cloned().collect();
            lines.pop();
            let joined = [last.as_bytes(), b", ", element.as_bytes()].concat();
            lines.push(HeaderValue::from_bytes(&joined).expect("a value"));
            fields.remove(name);
            fields.extend(lines.into_iter().map(|line| (name.clone(), line)));
        }
    }
    fields
}

/// Who calls through trusted proxies is whom the last of them heard, whatever that one sent along; of others nothing is
/// believed; and what is told to the upstream reads the same to it.
pub fn forwarded(bytes: &[u8]) {
    let ([bits], bytes) = steer(bytes);
    let Some(parts) = request(&[b"/\n", bytes].concat()) else { return };
    let (field, name) = match bits & 1 == 0 {
        true => (ForwardedField::XForwardedFor, HeaderName::from_static("x-forwarded-for")),
        false => (ForwardedField::Forwarded, FORWARDED),
    };
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")];
    let fields = &parts.headers;
    assert_eq!(client(ip(UNTRUSTED), fields, &trusted, field), ip(UNTRUSTED), "who is not trusted is not believed");
    assert_eq!(client(ip(TRUSTED), fields, &[], field), ip(TRUSTED), "nobody is trusted");
    // One hop beside another: whatever a caller sends, the proxy's own word on him stands.
    let element = |address: &str| match field {
        ForwardedField::XForwardedFor => address.to_owned(),
        ForwardedField::Forwarded => format!("for=\"{address}\";proto=https"),
    };
    let heard = passed_on(fields, &name, &element(CALLER), bits & 2 == 0);
    assert_eq!(client(ip(TRUSTED), &heard, &trusted, field), ip(CALLER), "another than was heard");
    let through_two = passed_on(&heard, &name, &element("10.9.9.9"), bits & 4 == 0);
    assert_eq!(client(ip(TRUSTED), &through_two, &trusted, field), ip(CALLER), "another than was heard, over two");
    // What somebody puts in front changes at most what nobody vouched for.
    let alone = client(ip(TRUSTED), fields, &trusted, field);
    let mut invented = Fields::new();
    invented.append(&name, HeaderValue::from_static("for=6.6.6.6, 6.6.6.6"));
    invented.extend(fields.get_all(&name).map(|line| (name.clone(), line.clone())));
    let beside = client(ip(TRUSTED), &invented, &trusted, field);
    assert!(within(alone, &trusted) || beside == alone, "{alone} became {beside}");
    let _ = called(fields, field);
    extended(fields, true, field, &trusted);
    // Of others it was stripped before.
    extended(&Fields::new(), false, field, &trusted);
}

/// The upstream, which trusts us, hears of the caller whom we heard.
fn extended(fields: &Fields, vouched: bool, field: ForwardedField, trusted: &[IpNet]) {
    let mut told = fields.clone();
    let side = Side {
        peer: HeaderValue::from_static(CALLER),
        scheme: HeaderValue::from_static("https"),
        host: Some(HeaderValue::from_static("h:1")),
    };
    extend(&mut told, side, vouched, field);
    assert_eq!(client(ip(TRUSTED), &told, trusted, field), ip(CALLER), "the upstream hears of another");
    // The other field is written as well, and means the same.
    assert_eq!(client(ip(TRUSTED), &told, trusted, ForwardedField::XForwardedFor), ip(CALLER));
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        assert!(told.contains_key(name), "{name} is missing");
    }
}
