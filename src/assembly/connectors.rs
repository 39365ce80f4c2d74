//! `connectors`: the catalogue that is built in, and operators' own files, each read with its own mistakes.

use super::Site;
use super::injection::{overlapping, rule};
use crate::config::{self, At, Mistakes, View, scalar, schema};
use crate::connector::{
    BUILT_IN, Connector, Field, Header, Mark, Meaning, Patience, Pattern, Region, Rule, SecretForm, Verify,
    placeholders,
};
use crate::model::connection::InjectRule;
use http::{HeaderName, HeaderValue, Method};
use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// All connectors, those that are built in first.
#[derive(Debug)]
pub struct Catalogue(Vec<Arc<Connector>>);

impl Catalogue {
    pub fn named(&self, name: &str) -> Option<&Connector> {
        self.iter().find(|c| &*c.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Connector> {
        self.0.iter().map(|connector| &**connector)
    }

    /// What is built in, read once. A mistake in it is a slip of ours, which a test finds; such a connector is left out.
    pub fn built_in() -> Catalogue {
        static READ: OnceLock<Vec<Arc<Connector>>> = OnceLock::new();
        let read = |(file, text): &(&str, &str)| {
            let mistakes = RefCell::new(Mistakes::new(file));
            read(text, &mistakes, None).map(Arc::new)
        };
        Catalogue(READ.get_or_init(|| BUILT_IN.iter().filter_map(read).collect()).clone())
    }
}

/// The catalogue, and what the file names under `connectors`.
pub(super) fn assemble(site: &Site<'_>, root: &View<'_>) -> Catalogue {
    let mut catalogue = Catalogue::built_in();
    for item in root.list("connectors") {
        let Some(path) = item.text_here().and_then(|text| scalar::path(text).ok()) else { continue };
        for file in files(site, item.here(), path) {
            add(site, item.here(), &file, &mut catalogue);
        }
    }
    catalogue
}

/// The file itself, or those of a directory in the order of their names.
fn files(site: &Site<'_>, at: At<'_>, path: &Path) -> Vec<PathBuf> {
    let full = site.path(path);
    let Ok(entries) = std::fs::read_dir(&full) else { return vec![path.to_owned()] };
    let yaml = |file: &PathBuf| file.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let names = entries.filter_map(|entry| Some(path.join(entry.ok()?.file_name())));
    let mut found: Vec<PathBuf> = names.filter(yaml).collect();
    found.sort();
    if found.is_empty() {
        site.warning(at, format!("{} holds no .yaml files", path.display()), "put connectors there, or leave it out");
    }
    found
}

fn add(site: &Site<'_>, at: At<'_>, path: &Path, catalogue: &mut Catalogue) {
    let (full, shown) = (site.path(path), path.display().to_string());
    let text = match std::fs::read_to_string(&full) {
        Ok(text) => text,
        Err(error) => {
            let remedy = "see that the file exists and that the gateway's user may read it";
            return site.error(at, format!("cannot read {shown}: {error}"), remedy);
        }
    };
    let mistakes = RefCell::new(Mistakes::new(&site.base.join(path).display().to_string()));
    let connector = read(&text, &mistakes, Some(shown.clone()));
    site.mistakes().borrow_mut().append(mistakes.into_inner());
    let Some(connector) = connector else { return };
    if let Some(first) = catalogue.named(&connector.name) {
        let whose = first.file.as_ref().map_or("one that is built in".to_owned(), |file| format!("that of {file}"));
        let reason = format!("the connector {} of {shown} has the same name as {whose}", connector.name);
        return site.error(at, reason, "give it a name of its own");
    }
    catalogue.0.push(Arc::new(connector));
}

/// One file. What is wrong in it is reported; then it counts only as far as further mistakes can be found with it.
pub fn read(text: &str, mistakes: &RefCell<Mistakes>, file: Option<String>) -> Option<Connector> {
    let node = config::load_as(&schema::CONNECTOR, text, &mut mistakes.borrow_mut())?;
    let view = View::root(&node, schema::CONNECTOR);
    let secret = secret(&view);
    let inject = match secret.is_url {
        true => vec![InjectRule::WholePath],
        false => injected(mistakes, &view),
    };
    let places = view.entries("regions").map(|pair| pair.value).chain([view]);
    for place in places.filter(|place| secret.is_url && place.is_set("inject")) {
        let remedy = "leave it out: the path of the secret's URL is what is called";
        mistakes.borrow_mut().error(place.at("inject"), "the secret is a whole URL", remedy);
    }
    let connector = Connector {
        name: view.text("name")?.into(),
        title: view.text("title").unwrap_or_default().to_owned(),
        documentation: view.text("documentation").map(str::to_owned),
        base_url: view.text("base_url").map(str::to_owned),
        base_path_once: view.flag("base_path_once"),
        regions: regions(mistakes, &view),
        fields: fields(mistakes, &view),
        inject,
        client_slots: client_slots(mistakes, &view),
        headers: headers(mistakes, &view, "headers"),
        patience: Patience { head: view.opt_duration("timeouts.head"), idle: view.opt_duration("timeouts.idle") },
        secret,
        verify: view.is_set("verify").then(|| verify(mistakes, &view.part("verify"))),
        file,
    };
    check_names(mistakes, &view, &connector);
    Some(connector)
}

fn regions(mistakes: &RefCell<Mistakes>, view: &View<'_>) -> Vec<Region> {
    let read = |pair: config::view::Pair<'_>| {
        Some(Region {
            name: pair.key.to_owned(),
            title: pair.value.text("title").map(str::to_owned),
            base_url: pair.value.text("base_url")?.to_owned(),
            inject: injected(mistakes, &pair.value),
            sandbox: pair.value.flag("sandbox"),
        })
    };
    view.entries("regions").filter_map(read).collect()
}

fn fields(mistakes: &RefCell<Mistakes>, view: &View<'_>) -> Vec<Field> {
    let read = |item: View<'_>| {
        let field = Field {
            name: item.text("name")?.to_owned(),
            doc: item.text("doc")?.to_owned(),
            pattern: item.opt("pattern", scalar::pattern)?,
            example: item.text("example")?.to_owned(),
            required: item.flag("required"),
            default: item.text("default").map(str::to_owned),
        };
        if !field.pattern.is_match(&field.example) {
            mistakes.borrow_mut().error(item.at("example"), "the example does not fit the pattern", "correct either");
        }
        Some(field)
    };
    view.list("fields").filter_map(read).collect()
}

fn injected(mistakes: &RefCell<Mistakes>, view: &View<'_>) -> Vec<InjectRule> {
    let rules: Vec<InjectRule> = view.list("inject").filter_map(|item| rule(mistakes, &item)).collect();
    overlapping(mistakes, view.at("inject"), &rules);
    rules
}

/// Places that are read but never written.
fn client_slots(mistakes: &RefCell<Mistakes>, view: &View<'_>) -> Vec<InjectRule> {
    for item in view.list("client_slots").filter(|item| item.is_set("path")) {
        let remedy = "leave it out: only headers and query parameters are read elsewhere";
        mistakes.borrow_mut().error(item.at("path"), "a path is where calls go", remedy);
    }
    let rules = view.list("client_slots").filter_map(|item| rule(mistakes, &item));
    rules.filter(|rule| !matches!(rule, InjectRule::Path { .. } | InjectRule::WholePath)).collect()
}

fn headers(mistakes: &RefCell<Mistakes>, view: &View<'_>, list: &'static str) -> Vec<Header> {
    let read = |item: View<'_>| {
        let name: HeaderName = item.text("name")?.parse().ok()?;
        let value = item.text("value")?.to_owned();
        if HeaderValue::from_str(&value).is_err() {
            mistakes.borrow_mut().error(item.at("value"), "no value for a header", "write: printable text in one line");
        }
        Some(Header { name, value, always: item.flag("always") })
    };
    view.list(list).filter_map(read).collect()
}

fn secret(view: &View<'_>) -> SecretForm {
    let read = |item: View<'_>| {
        Some(Pattern {
            name: item.text("name")?.to_owned(),
            regex: item.opt("pattern", scalar::pattern)?,
            mark: match item.text("mark") {
                Some("live") => Some(Mark::Live),
                Some("test") => Some(Mark::Test),
                _ => None,
            },
            verify_path: item.text("verify_path").map(str::to_owned),
        })
    };
    SecretForm {
        doc: view.text("secret.doc").map(str::to_owned),
        is_url: view.text("secret.kind") == Some("url"),
        patterns: view.list("secret.patterns").filter_map(read).collect(),
    }
}

fn verify(mistakes: &RefCell<Mistakes>, view: &View<'_>) -> Verify {
    let path = view.text("path").unwrap_or("/").to_owned();
    if !is_call(&path) {
        let remedy = "write: a path such as /v1/me?limit=1";
        mistakes.borrow_mut().error(view.at("path"), "not the path of a call", remedy);
    }
    let rule = |item: View<'_>| {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let json = item.entries("json").filter_map(|p| Some((p.key.to_owned(), p.value.text_here()?.to_owned())));
        Some(Rule {
            status: item.values("status", scalar::status).into_iter().map(|s| (s.first, s.last)).collect(),
            contains: owned(item.values("contains", scalar::text)),
            json: json.collect(),
            header: item.text("header").and_then(|name| name.parse().ok()),
            meaning: item.text("meaning").and_then(Meaning::named)?,
            says: item.text("says")?.to_owned(),
            remedy: item.text("remedy").map(str::to_owned),
        })
    };
    Verify {
        method: view.text("method").and_then(|m| m.parse().ok()).unwrap_or(Method::GET),
        path,
        headers: headers(mistakes, view, "headers"),
        body: view.text("body").map(str::to_owned),
        rules: view.list("rules").filter_map(rule).collect(),
    }
}

fn is_call(path: &str) -> bool {
    path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && c != '#')
}

/// Every `{name}` is a field's.
fn check_names(mistakes: &RefCell<Mistakes>, view: &View<'_>, connector: &Connector) {
    let known: HashSet<&str> = connector.fields.iter().map(|f| f.name.as_str()).collect();
    let check = |at: At<'_>, text: Option<&str>| {
        for name in text.into_iter().flat_map(placeholders).filter(|name| !known.contains(name)) {
            let reason = format!("{{{name}}} is no field of this connector");
            mistakes.borrow_mut().error(at, reason, "declare it under fields, or correct its name");
        }
    };
    let injected = |view: &View<'_>| {
        for item in view.list("inject") {
            for part in ["value", "basic.username", "basic.password"] {
                check(item.at(part), item.text(part));
            }
        }
    };
    check(view.at("base_url"), view.text("base_url"));
    injected(view);
    for pair in view.entries("regions") {
        check(pair.value.at("base_url"), pair.value.text("base_url"));
        injected(&pair.value);
    }
    for item in view.list("fields") {
        check(item.at("default"), item.text("default"));
    }
    for item in view.list("headers").chain(view.list("verify.headers")) {
        check(item.at("value"), item.text("value"));
    }
    check(view.at("verify.path"), view.text("verify.path"));
    check(view.at("verify.body"), view.text("verify.body"));
    for item in view.list("secret.patterns") {
        if item.text("verify_path").is_some_and(|path| !is_call(path) || placeholders(path).next().is_some()) {
            let remedy = "write: a path such as /v1/me?limit=1, without fields";
            mistakes.borrow_mut().error(item.at("verify_path"), "not the path of a call", remedy);
        }
    }
}

#[cfg(test)]
#[path = "connectors_tests.rs"]
mod tests;
