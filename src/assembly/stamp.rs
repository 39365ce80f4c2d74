//! What is remembered of a file that was read, to see when it changes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Cheap to compare with the file, and a digest for when that says "changed". Taken *before* the file is read, so that a
/// change in between is still one.
#[derive(Debug, Clone)]
pub struct Stamp {
    path: PathBuf,
    /// Time, length and where the links lead: the last changes when a ConfigMap is swapped for one of the same age.
    outside: Option<(SystemTime, u64, PathBuf)>,
    content: Option<blake3::Hash>,
}

impl Stamp {
    pub fn of(path: &Path) -> Stamp {
        // In this order: content that changes after it was read must not carry the newer time.
        let outside = outside(path);
        let content = content(path);
        Stamp { path: path.to_owned(), outside, content }
    }

    /// The same file, looked at anew.
    pub fn again(&self) -> Stamp {
        Stamp::of(&self.path)
    }

    /// Whether the file looks untouched; reads no content.
    pub fn is_fresh(&self) -> bool {
        self.outside == outside(&self.path)
    }

    pub fn same_content(&self, other: &Stamp) -> bool {
        self.content == other.content
    }
}

/// A directory's content is the names in it. A file may be long, and is not held.
fn content(path: &Path) -> Option<blake3::Hash> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Some(blake3::Hasher::new().update_reader(File::open(path).ok()?).ok()?.finalize());
    };
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name().into_encoded_bytes())).collect();
    names.sort();
    Some(blake3::hash(&names.join(&b'/')))
}

fn outside(path: &Path) -> Option<(SystemTime, u64, PathBuf)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len(), path.canonicalize().ok()?))
}
