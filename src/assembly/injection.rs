//! `inject`: where secrets go, of a connection or of a connector; and `secret`: what goes there (C9).

use super::Site;
use crate::config::reference::Reference;
use crate::config::source::Found;
use crate::config::{At, Mistakes, View};
use crate::connector::{Connector, Look, Mark, path_of};
use crate::model::Secret;
use crate::model::connection::{InjectRule, Injection};
use crate::model::scrub::{LEAST, Needle};
use http::header::AUTHORIZATION;
use http::{HeaderName, Uri};
use std::cell::RefCell;
use zeroize::Zeroizing;

/// One line of `inject`.
pub fn rule(mistakes: &RefCell<Mistakes>, view: &View<'_>) -> Option<InjectRule> {
    let value = || view.text("value").unwrap_or("{secret}").to_owned();
    if let Some(name) = view.text("header") {
        let name: HeaderName = name.parse().ok()?;
        return Some(InjectRule::Header { name, value: value() });
    }
    if let Some(name) = view.text("query") {
        return Some(InjectRule::Query { name: name.to_owned(), value: value() });
    }
    if let Some(prefix) = view.text("path") {
        return Some(InjectRule::Path { prefix: prefix.to_owned() });
    }
    let username = view.text("basic.username")?.to_owned();
    let password = view.text("basic.password").unwrap_or("{secret}").to_owned();
    if username.contains(':') {
        let remedy = "put what follows it into password";
        mistakes.borrow_mut().error(view.at("basic.username"), "a user name of Basic holds no colon", remedy);
    }
    Some(InjectRule::Basic { username, password })
}

/// No place is written twice.
pub fn overlapping(mistakes: &RefCell<Mistakes>, at: At<'_>, rules: &[InjectRule]) {
    for (index, rule) in rules.iter().enumerate() {
        if rules[..index].iter().any(|other| slot(other) == slot(rule)) {
            let reason = format!("two values for the same place ({})", rule.slot());
            mistakes.borrow_mut().error(at, reason, "inject each place once");
        }
    }
}

/// Where a rule writes, folded as the rewriting folds names.
fn slot(rule: &InjectRule) -> (u8, String) {
    let fold = |n: &str| n.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    match rule {
        InjectRule::Header { name, .. } => (0, fold(name.as_str())),
        InjectRule::Basic { .. } => (0, fold(AUTHORIZATION.as_str())),
        InjectRule::Query { name, .. } => (1, fold(name)),
        InjectRule::Path { .. } | InjectRule::WholePath => (2, String::new()),
    }
}

/// What a connection's secret is judged by.
pub struct Belonging<'a> {
    pub connector: Option<&'a Connector>,
    pub base: &'a Uri,
    /// Whether the connection's place is for trying out, where its provider makes a difference.
    pub sandbox: Option<bool>,
    /// The connection is of the default environment, which is taken for production.
    pub production: bool,
    /// C16: what a stored secret must be sealed to.
    pub seal: [u8; 32],
}

/// A connection's secret, made ready.
pub struct Filled {
    pub injection: Injection,
    /// C12: what is looked for in replies, if the connection wants that and the secret is long enough.
    pub needle: Option<Needle>,
    /// What is called to verify a secret of this form, if not what others call.
    pub verify_path: Option<String>,
    /// C16: there is a secret, which was given for another destination.
    pub withheld: bool,
}

/// Fetches the secret and fills `rules` with it. What is wrong is reported, without any part of the secret.
pub fn fill(site: &Site<'_>, view: &View<'_>, rules: &[InjectRule], belonging: &Belonging<'_>) -> Filled {
    let at = view.at("secret");
    // Without a value the places are known nevertheless: callers are recognised there.
    let empty = || Filled { injection: Injection::places(rules), needle: None, verify_path: None, withheld: false };
    if let Some(held) = site.held(view)
        && held.sealed_to.is_some_and(|seal| seal != belonging.seal)
    {
        return Filled { withheld: true, ..empty() };
    }
    let written = || view.opt("secret", Reference::parse).and_then(|reference| site.found(at, &reference));
    let stored = site.held(view).map(|held| Found { secret: held.value.clone(), trimmed: false });
    let Some(found) = stored.or_else(written) else { return empty() };
    if found.trimmed {
        site.warning(at, "white space around the secret was removed", "write the secret without it");
    }
    let Some(value) = value(site, at, found.secret, rules, belonging) else { return empty() };
    if value.len() < LEAST && view.flag("scrub") {
        let reason =
            format!("the secret has fewer than {LEAST} characters, so replies that repeat it are not scrubbed");
        site.warning(at, reason, "ask for a longer one");
    }
    let look = belonging.connector.map_or(Look::Untold, |c| c.secret.look_of(&value));
    doubts(site, at, look, belonging);
    let verify_path = match look {
        Look::Known(pattern) => pattern.verify_path.clone(),
        _ => None,
    };
    let secret = Secret::new(value);
    let needle = Some(&secret).filter(|_| view.flag("scrub")).and_then(|secret| Needle::of([secret]));
    match Injection::prepare(rules, &secret) {
        Ok(injection) => Filled { injection, needle, verify_path, withheld: false },
        Err(unfit) => {
            site.error(at, unfit.to_string(), "check that the right value is referred to");
            empty()
        }
    }
}

/// What is injected: the secret, or the path of the URL that it is.
fn value(
    site: &Site<'_>,
    at: At<'_>,
    secret: Zeroizing<Vec<u8>>,
    rules: &[InjectRule],
    belonging: &Belonging<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    if !rules.contains(&InjectRule::WholePath) {
        return Some(secret);
    }
    match path_of(&secret, belonging.base) {
        Ok(path) => Some(path),
        Err(bad) => {
            let origin = belonging.base.authority().map_or("", |a| a.as_str());
            site.error(at, bad.to_string(), format!("check that it is the URL from the provider, at {origin}"));
            None
        }
    }
}

/// C9: what does not fit together, said of the secret without showing it.
fn doubts(site: &Site<'_>, at: At<'_>, look: Look<'_>, belonging: &Belonging<'_>) {
    let Some(connector) = belonging.connector else { return };
    let title = &connector.title;
    if let Look::Strange = look {
        let forms: Vec<&str> = connector.secret.patterns.iter().map(|p| p.name.as_str()).collect();
        let reason = format!("the secret does not look like one of {title} ({})", forms.join("; "));
        site.doubt(at, reason, "check that the right value is referred to, and all of it");
    }
    let remedy = "refer to the other key, or put the connection where this one belongs";
    match (look.mark(), belonging.production) {
        (Some(Mark::Test), true) => {
            site.doubt(at, format!("a test key of {title} in the default environment"), remedy);
        }
        (Some(Mark::Live), false) => {
            site.doubt(at, format!("a live key of {title} outside of the default environment"), remedy);
        }
        _ => {}
    }
    match (look.mark(), belonging.sandbox) {
        (Some(Mark::Live), Some(true)) => site.doubt(at, format!("a live key for a sandbox of {title}"), remedy),
        (Some(Mark::Test), Some(false)) => site.doubt(at, format!("a test key, but no sandbox of {title}"), remedy),
        _ => {}
    }
}
