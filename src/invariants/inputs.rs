//! What reaches us before or beside HTTP: the PROXY protocol, certificates, and what people write into files.

use crate::assembly::{self, Holdings};
use crate::config::tree::Value;
use crate::config::{self, Items, Mistakes, Node, parse, schema, show};
use crate::connector;
use crate::model::Keys;
use crate::net::certificate as certificates;
use crate::net::proxy_protocol::{self as proxy, Verdict};
use rustls::pki_types::CertificateDer;
use std::cell::RefCell;
use std::io::Cursor;
use std::path::Path;

/// More bytes never change a verdict, and a header is never longer than what was seen of it.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = proxy::parse(bytes);
    if let Verdict::Header { length, .. } = whole {
        assert!(length <= bytes.len());
    }
    for end in 0..bytes.len() {
        let verdict = proxy::parse(&bytes[..end]);
        let expected = match whole {
            Verdict::Header { length, .. } if end < length => Verdict::Incomplete,
            Verdict::Incomplete => Verdict::Incomplete,
            _ if verdict == Verdict::Incomplete => verdict,
            _ => whole,
        };
        assert_eq!(verdict, expected, "after {end} bytes");
    }
}

/// Whatever a file holds, it is read, or its mistakes are told; what has none can be shown.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut mistakes = Mistakes::new("keystile.yaml");
    let root = config::load(text, &mut mistakes);
    if let Some(root) = &root {
        let _ = show::table(&show::effective(root, &schema::ROOT, "keystile.yaml"));
    }
    assert!(root.is_some() || mistakes.has_errors());
    for mistake in mistakes.into_sorted() {
        assert!(!mistake.to_string().is_empty());
    }
}

/// A file of many keys: where they are read one by one, they are what the parser reads in the whole of it.
pub fn keys(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = |text: &str| {
        let mut mistakes = Mistakes::new("keystile.yaml");
        parse::parse(text, &mut mistakes).filter(|_| mistakes.is_empty())
    };
    let source = Box::new(Cursor::new(text.to_owned()));
    let Ok(Some((rest, items))) = Items::cut(source) else { return };
    let Some(root) = parsed(&rest).filter(|root| items.belong_to(root)) else { return };
    let mut list = Vec::new();
    if items.each(|_, node| list.push(node)).is_err() || list.is_empty() {
        return;
    }
    let whole = parsed(text).expect("what was read one by one can be read");
    let of = |root: &Node, name: &str| root.field(name).cloned();
    assert!(matches!(of(&whole, "keys").map(|keys| keys.value), Some(Value::List(keys)) if keys == list), "other keys");
    let (Value::Map(rest), Value::Map(all)) = (&root.value, &whole.value) else { panic!("no map") };
    assert_eq!(rest.len(), all.len());
    for entry in rest.iter().filter(|entry| &*entry.key != "keys") {
        assert_eq!(of(&whole, &entry.key).as_ref(), Some(&entry.node), "another {}", entry.key);
    }
}

/// A certificate is read, or is none.
pub fn certificate(bytes: &[u8]) {
    let _ = certificates::read(&CertificateDer::from(bytes));
}

/// A whole configuration is put together, or its mistakes are told, each with what to do. Nothing more is known of any text.
pub fn assembly(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // What would be read beside it is not this one's business, and may be a device without an end.
    if text.contains("/dev") || text.contains("/proc") || text.contains("/sys") {
        return;
    }
    let nowhere = Path::new("/nonexistent");
    match assembly::from_text(text, "keystile.yaml", nowhere, &Holdings::default(), &Keys::default()) {
        Ok((assembled, _)) => {
            let snapshot = &assembled.snapshot;
            assert!(!assembled.warnings.has_errors());
            assert_eq!(snapshot.connections.len(), assembled.trust.len());
            assert_eq!(snapshot.listeners.len(), assembled.certificates.len());
        }
        Err(rejected) => {
            assert!(rejected.mistakes.has_errors());
            assert!(rejected.mistakes.iter().all(|mistake| !mistake.reason.is_empty() && !mistake.remedy.is_empty()));
        }
    }
}

/// An OpenAPI document: what is written of it is a connector's file, in which everything that the document says is a value,
/// and nothing of it becomes a field.
pub fn openapi(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(imported) = connector::import(text, Some("imported"), None) else { return };
    let known = ["name", "title", "documentation", "base_url", "regions", "fields", "inject"];
    let read: serde_yaml::Mapping = serde_yaml::from_str(&imported.yaml).expect("what is written can be read");
    for (field, _) in &read {
        assert!(field.as_str().is_some_and(|field| known.contains(&field)), "{field:?} is a field:\n{}", imported.yaml);
    }
    assert_eq!(read.get("name").and_then(serde_yaml::Value::as_str), Some("imported"));
    let inject = read.get("inject").and_then(serde_yaml::Value::as_mapping).expect("where the secret goes");
    let places = ["header", "query", "basic"].iter().filter(|place| inject.contains_key(**place)).count();
    assert!(places == 1 && inject.len() <= 2, "{}", imported.yaml);
    let mistakes = RefCell::new(Mistakes::new("imported"));
    let connector = assembly::connectors::read(&imported.yaml, &mistakes, None);
    assert!(connector.is_some() || mistakes.borrow().has_errors());
}
