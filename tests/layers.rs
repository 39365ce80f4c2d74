//! The table of floors in ARCHITECTURE.md, held: a module imports only from floors below its own. Rust lets the modules
//! of one crate form circles; this does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules by their floor.
const FLOORS: &[(&str, u8)] = &[
    ("model", 1),
    ("policy", 2),
    ("config", 2),
    ("connector", 2),
    ("telemetry", 2),
    ("limit", 3),
    ("net", 3),
    ("vault", 3),
    ("http", 4),
    ("store", 4),
    ("live", 5),
    ("assembly", 5),
    ("serving", 6),
    ("proxy", 7),
    ("egress", 7),
    ("control", 7),
    ("admin", 8),
    ("app", 9),
    ("cli", 10),
    // Not in the product: what must hold for any bytes.
    ("invariants", 11),
];

/// What the lower floors must not name: decisions know no runtime, no clock, no chance.
const NOT_IN_DECISIONS: &[&str] =
    &["tokio", "hyper::", "hyper_util", "tracing::", "getrandom", "Instant", "SystemTime", "std::fs", "std::net::Tcp"];

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// A source file: the top-level module it belongs to, and its text without comments.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn sources(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let inside = path.strip_prefix(root).unwrap();
                let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
                let module = first.trim_end_matches(".rs").to_owned();
                let text = without_comments(&fs::read_to_string(&path).unwrap());
                found.push(Source { path: inside.to_owned(), module, text });
            }
        }
    }
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|l| if l.trim_start().starts_with("//") { "" } else { l }).collect::<Vec<_>>().join("\n")
}

/// The top-level modules that `text` names as `crate::x` (in groups too: `crate::{x::…, y::…}`).
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let name = |t: &str| t.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => {
                found.insert(name(rest));
            }
            Some(group) => found.extend(top_level(group).iter().map(|t| name(t))),
        }
    }
    found.remove("");
    found
}

/// The items of a `{…}` group at its own depth.
fn top_level(group: &str) -> Vec<String> {
    let (mut items, mut depth, mut item) = (Vec::new(), 0, String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ if depth == 0 => item.push(c),
            _ => {}
        }
    }
    items.push(item);
    items
}

/// What is wrong with one source, in words.
fn complaints(source: &Source) -> Vec<String> {
    let at = source.path.display();
    let Some(own) = floor(&source.module) else { return vec![format!("{at}: {} is not in the table", source.module)] };
    let mut wrong = Vec::new();
    for import in imports(&source.text).iter().filter(|i| **i != source.module) {
        match floor(import) {
            // A fixture of the policy floor serves the tests of those above it.
            Some(other) if other < own => {}
            Some(other) => wrong.push(format!("{at} (floor {own}) imports {import} (floor {other})")),
            None => wrong.push(format!("{at} imports {import}, which is not in the table")),
        }
    }
    if matches!(source.module.as_str(), "model" | "policy") {
        let named = NOT_IN_DECISIONS.iter().filter(|word| source.text.contains(**word));
        wrong.extend(named.map(|word| format!("{at} names {word}")));
    }
    wrong
}

fn ours() -> Vec<Source> {
    let mut all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    all.retain(|s| !matches!(s.module.as_str(), "lib" | "main"));
    all
}

#[test]
fn modules_import_only_from_floors_below_their_own() {
    let wrong: Vec<String> = ours().iter().flat_map(complaints).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_what_it_should() {
    let sample = |module: &str, text: &str| {
        complaints(&Source { path: "sample.rs".into(), module: module.into(), text: without_comments(text) })
    };
    assert_eq!(sample("policy", "use crate::net::dial;").len(), 1);
    assert_eq!(sample("model", "use crate::{model::key::Key, policy::{path, query}, proxy::core};").len(), 2);
    assert_eq!(sample("policy", "let now = std::time::Instant::now();").len(), 1);
    assert_eq!(sample("stranger", "").len(), 1);
    assert_eq!(sample("proxy", "fn f() { crate::cli::main() }").len(), 1);
    assert!(sample("proxy", "use crate::{http::body, net::guard};\n// crate::cli is above us").is_empty());
}

/// Where `needle` stands outside of tests.
fn files_with(needle: &str) -> Vec<String> {
    let production = |s: &Source| s.text.split("#[cfg(test)]").next().unwrap_or_default().contains(needle);
    let is_test = |s: &&Source| s.path.file_name().is_some_and(|name| name == "tests.rs");
    let mut found: Vec<String> =
        ours().iter().filter(|s| !is_test(s) && production(s)).map(|s| s.path.display().to_string()).collect();
    found.sort();
    found
}

#[test]
fn only_the_permit_opens_secrets_and_only_its_checks_make_it() {
    // Two proofs: a caller's permit, and a verification, which has no caller and sends nothing but a connector's words.
    assert_eq!(files_with("impl MayOpen for"), ["policy/outbound/verification.rs", "policy/permit.rs"]);
    assert_eq!(files_with("Verification { connection"), ["policy/outbound/verification.rs"]);
    assert_eq!(files_with("Verification::of("), ["egress/verify.rs"]);
    assert_eq!(files_with("Permit { principal"), ["policy/permit.rs"]);
    assert_eq!(files_with("Permit::granted("), ["policy/authorise.rs", "policy/outbound/authorise.rs"]);
    assert_eq!(files_with("Authenticated {"), ["policy/authenticate.rs"]);
    assert_eq!(files_with("Verified { workflow"), ["policy/webhook/claim.rs"]);
    let stands = ["egress/explain.rs", "egress/journey.rs", "invariants/calls.rs", "policy/outbound/properties.rs"];
    assert_eq!(files_with("stood_for("), stands, "for a listener's identity");
    let explains = ["egress/explain.rs", "policy/authenticate.rs", "proxy/explain.rs"];
    assert_eq!(files_with("rehearse"), explains, "never in a journey");
    assert_eq!(files_with(".for_scrubbing()"), [""; 0]);
    assert_eq!(files_with("Secret::for_scrubbing"), ["model/scrub/needle.rs"], "a needle is as secret as its secret");
}

#[test]
fn files_are_rooms_not_dumping_grounds() {
    for source in ours() {
        let lines = source.text.lines().count();
        assert!(lines <= 450, "{}: {lines} lines", source.path.display());
        let name = source.path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !matches!(name.as_str(), "utils" | "util" | "helpers" | "common" | "misc"),
            "{}",
            source.path.display()
        );
    }
}
