//! An operator's own scheme, put together of what the known ones are made of.

use crate::assembly::Site;
use crate::config::{At, View};
use crate::model::webhook::{Algorithm, Clock, Encoding, Form, Part, Scheme, TimestampPlace};
use http::HeaderName;

/// What only `custom` has.
const OWN: [&str; 9] = [
    "header",
    "prefix",
    "template",
    "algorithm",
    "encoding",
    "secret_encoding",
    "timestamp_header",
    "timestamp_format",
    "id_header",
];

pub fn own_fields(site: &Site<'_>, view: &View<'_>, scheme: &str) {
    for field in OWN.into_iter().filter(|field| view.is_set(field)) {
        let reason = format!("{scheme} says itself how it signs");
        site.error(view.at(field), reason, "leave it out, or write scheme: custom");
    }
}

/// An operator's own scheme.
pub fn scheme(site: &Site<'_>, view: &View<'_>) -> Option<Scheme> {
    for (field, example) in [
        ("header", "X-Acme-Signature"),
        ("template", "\"{timestamp}.{body}\""),
        ("algorithm", "hmac-sha256"),
        ("encoding", "hex"),
    ] {
        if !view.is_set(field) {
            site.error(view.here(), format!("custom needs {field}"), format!("add: {field}: {example}"));
        }
    }
    let header = |field| view.text(field).and_then(|name| name.parse::<HeaderName>().ok());
    let signed = view.text("template").map(|text| parts(site, view.at("template"), text));
    let timestamp = header("timestamp_header").map(|name| {
        let clock = view.text("timestamp_format").and_then(Clock::named).unwrap_or(Clock::Seconds);
        (TimestampPlace::Header(name), clock)
    });
    let id = header("id_header");
    one_header_each(site, view);
    let signed = signed?;
    for (part, word, field, stands) in [
        (Part::Timestamp, "{timestamp}", "timestamp_header", timestamp.is_some()),
        (Part::Id, "{id}", "id_header", id.is_some()),
    ] {
        match (signed.contains(&part), stands) {
            (true, false) => {
                let remedy = format!("add: {field}: NAME-OF-THE-HEADER");
                site.error(view.at("template"), format!("nothing says where {word} stands"), remedy);
            }
            (false, true) => {
                let reason = format!("{word} is not signed, so anybody could change it");
                site.error(view.at(field), reason, format!("put {word} into template, or leave {field} out"));
            }
            _ => {}
        }
    }
    Some(Scheme {
        name: "custom",
        header: header("header")?,
        form: Form::Prefixed(view.text("prefix").unwrap_or_default().into()),
        timestamp,
        id,
        signed,
        algorithm: Algorithm::named(view.text("algorithm")?)?,
        encoding: Encoding::named(view.text("encoding")?)?,
    })
}

/// What stands in one header cannot be two things.
fn one_header_each(site: &Site<'_>, view: &View<'_>) {
    let fields = ["header", "timestamp_header", "id_header"];
    let named: Vec<(&str, &str)> = fields.into_iter().filter_map(|field| Some((field, view.text(field)?))).collect();
    for (at, (field, name)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..at].iter().find(|(_, other)| other.eq_ignore_ascii_case(name)) {
            let reason = format!("{name} is the {other} already");
            site.error(view.at(field), reason, "name the header in which the sender says it");
        }
    }
}

/// `{timestamp}.{body}`, taken apart. A brace that opens no known word is a mistake, not text: it would never match.
fn parts(site: &Site<'_>, at: At<'_>, template: &str) -> Vec<Part> {
    let (parts, unknown) = Part::template(template);
    for word in unknown {
        let remedy = "write {timestamp}, {id}, {body}, {method}, {url} or {path}";
        site.error(at, format!("{{{word}}} is no part of a request that could be signed"), remedy);
    }
    if !parts.contains(&Part::Body) {
        let remedy = "add {body}: what is not signed, anybody can change";
        site.error(at, "the signature does not cover the body", remedy);
    }
    parts
}
