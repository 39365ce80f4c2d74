//! Where everything is assembled.

use super::Stamp;
use super::documents::{Held, Holdings, STORE, Signing};
use crate::config::reference::Reference;
use crate::config::source::{self, Found, SecretSources};
use crate::config::{At, Mistakes, View, mistake::nearest, trail};
use crate::model::certificate::Expiry;
use crate::model::{Uid, UrlKey};
use crate::telemetry::timestamp;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where everything is assembled: collects mistakes, fetches secrets, notes files.
pub struct Site<'a> {
    mistakes: RefCell<Mistakes>,
    pub base: &'a Path,
    /// Unix milliseconds.
    pub now: i64,
    sources: SecretSources,
    /// `key_checks: refuse`
    refuse_doubtful_keys: bool,
    files: RefCell<Vec<Stamp>>,
    pub expiries: RefCell<Vec<Expiry>>,
    /// What the store holds, with its secrets.
    holdings: &'a Holdings,
    /// What references stood for, by their text.
    pub fetched: Rc<RefCell<HashMap<String, Found>>>,
    /// What they stood for when the file was accepted, where only the store's part is assembled anew.
    remembered: Option<&'a HashMap<String, Found>>,
}

impl<'a> Site<'a> {
    pub fn new(mistakes: Mistakes, base: &'a Path, file: &View<'_>, holdings: &'a Holdings) -> Site<'a> {
        Site {
            mistakes: RefCell::new(mistakes),
            base,
            now: timestamp::now_ms(),
            sources: SecretSources::read(file),
            refuse_doubtful_keys: file.text("key_checks") == Some("refuse"),
            files: RefCell::default(),
            expiries: RefCell::default(),
            holdings,
            fetched: Rc::default(),
            remembered: None,
        }
    }

    /// For a file that was accepted before: its references stand for what they stood for then.
    pub fn again(
        mistakes: Mistakes,
        base: &'a Path,
        file: &View<'_>,
        holdings: &'a Holdings,
        fetched: &'a HashMap<String, Found>,
    ) -> Site<'a> {
        Site { remembered: Some(fetched), ..Site::new(mistakes, base, file, holdings) }
    }

    /// For a document alone, which refers to no secret.
    pub fn bare(holdings: &'a Holdings) -> Site<'a> {
        Site {
            mistakes: RefCell::new(Mistakes::new(STORE)),
            base: Path::new(""),
            now: timestamp::now_ms(),
            sources: SecretSources::Only { env: Vec::new(), files: Vec::new() },
            refuse_doubtful_keys: false,
            files: RefCell::default(),
            expiries: RefCell::default(),
            holdings,
            fetched: Rc::default(),
            remembered: None,
        }
    }

    /// H7: what URLs are signed with, by the store's vault.
    pub fn stores_url_key(&self) -> Option<Arc<UrlKey>> {
        self.holdings.url_key.clone()
    }

    /// What was found on the way: mistakes, files, dates.
    pub fn finish(self) -> (Mistakes, Vec<Stamp>, Vec<Expiry>) {
        (self.mistakes.into_inner(), self.files.into_inner(), self.expiries.into_inner())
    }

    /// The secret that the store has for the connection which stands there.
    pub fn held(&self, view: &View<'_>) -> Option<&'a Held> {
        if !self.is_stored(view) {
            return None;
        }
        let uid = view.text("id").and_then(Uid::parse)?;
        self.holdings.get(uid)?.secret.as_deref()
    }

    /// H1: the secrets that the store has for the senders of this workflow.
    pub fn signing(&self, workflow: Uid) -> &'a [Arc<Signing>] {
        self.holdings.get(workflow).map_or(&[], |document| &document.signing)
    }

    /// Whether this stands in the store, and not in the file.
    pub fn is_stored(&self, view: &View<'_>) -> bool {
        view.here().line == trail::NOWHERE
    }
}

impl Site<'_> {
    /// For readers that know nothing else of this place.
    pub fn mistakes(&self) -> &RefCell<Mistakes> {
        &self.mistakes
    }

    pub fn error(&self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.borrow_mut().error(at, reason, remedy);
    }

    pub fn warning(&self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        self.mistakes.borrow_mut().warning(at, reason, remedy);
    }

    /// C9: about a secret that does not look right, as the policy has it.
    pub fn doubt(&self, at: At<'_>, reason: impl Into<String>, remedy: impl Into<String>) {
        match self.refuse_doubtful_keys {
            true => self.error(at, reason, remedy),
            false => self.warning(at, reason, remedy),
        }
    }

    /// An unknown name, with the nearest known one.
    pub fn unknown<'n>(&self, at: At<'_>, kind: &str, name: &str, known: impl IntoIterator<Item = &'n str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let remedy = match (nearest(name, known.iter().copied()), known.is_empty()) {
            (Some(near), _) => format!("write: {near}"),
            (None, true) => format!("declare it under {kind}s"),
            (None, false) if known.len() <= 8 => format!("write one of: {}", known.join(", ")),
            (None, false) => format!("declare it under {kind}s"),
        };
        self.error(at, format!("there is no {kind} {name:?}"), remedy);
    }

    /// A path of the file, from its own directory.
    pub fn path(&self, path: &Path) -> PathBuf {
        let path = self.base.join(path);
        self.files.borrow_mut().push(Stamp::of(&path));
        path
    }

    /// The secret behind a reference, which is kept for [`Site::again`]; `None` if that was a mistake, which is reported.
    pub fn found(&self, at: At<'_>, reference: &Reference<'_>) -> Option<Found> {
        let found = self.resolved(at, reference)?;
        // Those that are written themselves need no fetching, and all look the same.
        if !matches!(reference, Reference::Literal(_)) {
            self.fetched.borrow_mut().insert(reference.to_string(), found.clone());
        }
        Some(found)
    }

    fn resolved(&self, at: At<'_>, reference: &Reference<'_>) -> Option<Found> {
        if let (Reference::File(path), None) = (reference, self.remembered) {
            self.path(path);
        }
        if let Some(found) = self.remembered.and_then(|remembered| remembered.get(&reference.to_string())) {
            return Some(found.clone());
        }
        let resolved = source::resolve(reference, self.base, &self.sources);
        resolved.map_err(|error| self.error(at, error.to_string(), error.remedy())).ok()
    }

    /// As [`Site::found`], for a key's token: only its digest is kept.
    pub fn fetch(&self, at: At<'_>, reference: &Reference<'_>) -> Option<Zeroizing<Vec<u8>>> {
        self.resolved(at, reference).map(|found| found.secret)
    }
}
