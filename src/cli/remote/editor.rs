//! A resource in the user's editor.

use super::fields::shape;
use super::{input, misuse};
use crate::model::Resource;
use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A resource as somebody edits it. What was written stays in the file until [`Draft::discard`].
pub struct Draft {
    path: PathBuf,
}

impl Draft {
    /// The fields of `body` that can be edited, in a file for nobody else, with the others of the schema as comments.
    pub fn of(kind: Resource, name: &str, body: &Map<String, Value>) -> anyhow::Result<Draft> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(misuse("there is no terminal to open an editor on: name fields with --set or a file with -f"));
        }
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
        let file = format!("keystile-{:016x}.yaml", u64::from_ne_bytes(random));
        let path = std::env::temp_dir().join(file);
        let mut created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        created.write_all(written(kind, name, body)?.as_bytes())?;
        Ok(Draft { path })
    }

    /// Opens the editor, and reads what it leaves.
    pub fn edited(&self) -> anyhow::Result<Map<String, Value>> {
        let named = |name: &str| std::env::var(name).ok().filter(|command| !command.trim().is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
        // By a shell, since people write `code --wait`.
        let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(&self.path).status();
        let status = status.with_context(|| format!("cannot start the editor {editor:?}: set EDITOR"))?;
        if !status.success() {
            bail!("the editor {editor:?} failed, and nothing was done: set EDITOR, or use --set");
        }
        let text = input::text(&self.path)?;
        match serde_yaml::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(Value::Null) => bail!("nothing is left, and nothing was done"),
            Ok(_) => bail!("that is no longer a list of fields"),
            Err(error) => bail!("that is not YAML: {error}"),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn discard(self) {
        let _ = std::fs::remove_file(self.path);
    }
}

/// What can be edited: the schema's fields that the gateway shows. Tokens and secrets have commands of their own.
pub fn editable(kind: Resource, body: &Map<String, Value>) -> Map<String, Value> {
    let is = |name: &str| !is_apart(name) && shape(kind).is_some_and(|shape| shape.field(name).is_some());
    body.iter().filter(|(name, value)| is(name) && !value.is_null()).map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn is_apart(field: &str) -> bool {
    matches!(field, "id" | "primary" | "secondary" | "secret")
}

fn written(kind: Resource, name: &str, body: &Map<String, Value>) -> anyhow::Result<String> {
    let mut text = format!("# The {kind} {name}. What you save is sent; a field that you take out is taken away.\n\n");
    let Some(shape) = shape(kind) else { return Ok(text) };
    for field in shape.fields.iter().filter(|field| field.later.is_none() && !is_apart(field.name)) {
        match body.get(field.name) {
            Some(value) if !value.is_null() => {
                text += &serde_yaml::to_string(&Map::from_iter([(field.name.to_owned(), value.clone())]))?;
            }
            _ => {
                let sample = field.example.or(field.default).unwrap_or("…");
                let _ = writeln!(text, "#{}: {sample}    # {}", field.name, field.doc);
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_draft_holds_what_can_be_edited_and_reads_back() {
        let body = json!({ "name": "acme", "id": "7", "title": "A: b", "workflows": ["x"], "enabled": true, "primary": "blake3:…",
            "created_at": "2026-01-01T00:00:00Z", "rate_limit": null });
        let body = editable(Resource::Key, body.as_object().unwrap());
        let text = written(Resource::Key, "acme", &body).unwrap();
        let read: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read, json!({ "name": "acme", "title": "A: b", "workflows": ["x"], "enabled": true }), "{text}");
        assert_eq!(Value::Object(body), read);
        assert!(text.contains("#rate_limit: 600/min burst 50    # How much it may call."), "{text}");
    }
}
