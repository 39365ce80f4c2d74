//! Reading the configuration file: the whole of it, or what is needed of it before, or beside.

use super::documents::Holdings;
use super::settings::{self, Log, Store};
use super::{Assembled, Read, Rejected, Site, Stamp, connectors, from_text, from_tree};
use crate::config::{self, At, Mistakes, View, schema};
use crate::model::Keys;
use std::path::Path;

/// Reads and assembles the file at `path`, without a store.
pub fn from_file(path: &Path) -> Result<Assembled, Rejected> {
    read(path, &Holdings::default(), &Keys::default()).map(|(assembled, _)| assembled)
}

/// The same beside what a store holds: its documents, and its keys among `before`, which has the file's as they were.
pub fn read(path: &Path, holdings: &Holdings, before: &Keys) -> Read {
    let name = path.display().to_string();
    let stamp = Stamp::of(path);
    let mut read = read_apart(path, &name, holdings, before).unwrap_or_else(|| match std::fs::read_to_string(path) {
        Ok(text) => from_text(&text, &name, base_of(path), holdings, before),
        Err(error) => {
            let mut mistakes = Mistakes::new(&name);
            let remedy = "name the file with --config FILE or KEYSTILE_CONFIG; `keystile demo` shows one that works";
            mistakes.error(At::TOP, format!("cannot read it: {error}"), remedy);
            Err(Rejected { mistakes, files: Vec::new() })
        }
    });
    match &mut read {
        Ok((assembled, written)) => {
            assembled.settings.files.push(stamp.clone());
            written.settings.files.push(stamp);
        }
        Err(rejected) => rejected.files.push(stamp),
    }
    read
}

/// A file with very many keys, which are read one by one; none if that is not so, or cannot be done.
fn read_apart(path: &Path, name: &str, holdings: &Holdings, before: &Keys) -> Option<Read> {
    let mut mistakes = Mistakes::new(name);
    let (file, items) = config::load_without_keys(path, &mut mistakes)?;
    from_tree(file, Some(&items), mistakes, base_of(path), holdings, before)
}

/// What is needed before everything else of the file can be read: where the store is, and how to log. Whatever is wrong is
/// reported when the rest is.
pub fn early(path: &Path) -> Option<(Option<Store>, Log)> {
    let mut mistakes = Mistakes::new(&path.display().to_string());
    let file = match config::load_without_keys(path, &mut mistakes) {
        Some((file, _)) => file,
        None => config::load(&std::fs::read_to_string(path).ok()?, &mut mistakes)?,
    };
    let root = View::root(&file, schema::ROOT);
    let holdings = Holdings::default();
    let site = Site::new(mistakes, base_of(path), &root, &holdings);
    let early = (settings::store(&site, &root), settings::log(&root, base_of(path)));
    (!site.finish().0.has_errors()).then_some(early)
}

/// The connectors that connections in the file at `path` may name; nothing else of it is read, and no secret.
pub fn connectors_of(path: &Path) -> Result<connectors::Catalogue, Mistakes> {
    let mut mistakes = Mistakes::new(&path.display().to_string());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            mistakes.error(At::TOP, format!("cannot read it: {error}"), "name the file with --config FILE");
            return Err(mistakes);
        }
    };
    let Some(node) = config::load(&text, &mut mistakes) else { return Err(mistakes) };
    let root = View::root(&node, schema::ROOT);
    let holdings = Holdings::default();
    let site = Site::new(mistakes, base_of(path), &root, &holdings);
    let catalogue = connectors::assemble(&site, &root);
    let mut mistakes = site.finish().0;
    mistakes.sort();
    if mistakes.has_errors() { Err(mistakes) } else { Ok(catalogue) }
}

/// The directory that relative paths in the file start from.
pub fn base_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
