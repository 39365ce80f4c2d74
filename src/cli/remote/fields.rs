//! A resource's fields in the configuration's schema: from arguments, from `--set`, from a file; and what of them changed.

use super::{input, misuse};
use crate::config::mistake::nearest;
use crate::config::schema;
use crate::config::shape::{MapShape, Shape};
use crate::model::{Resource, token};
use anyhow::Context as _;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The schema of a kind, which is that of the configuration file.
pub fn shape(kind: Resource) -> Option<&'static MapShape> {
    let Shape::Map(file) = schema::ROOT else { return None };
    match file.field(kind.plural())?.shape.item()? {
        Shape::Map(map) => Some(map),
        _ => None,
    }
}

/// Fields from elsewhere than the arguments of their own.
#[derive(clap::Args, Clone, Default)]
pub struct Given {
    /// Any field of the configuration's schema; the value is YAML: rate_limit=100/s, 'allow_networks=[10.0.0.0/8]'.
    ///
    /// FIELD.NAME=VALUE sets one entry of a map; null takes a field away. `keystile config schema` lists all fields.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Fields from a YAML or JSON file, as in the configuration; - for standard input. Other arguments win over it.
    ///
    /// Of a resource that exists, fields that the file does not name stay as they are.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Given {
    pub fn is_nothing(&self) -> bool {
        self.set.is_empty() && self.file.is_none()
    }

    /// What the file says; nothing without one.
    pub fn in_file(&self) -> anyhow::Result<Map<String, Value>> {
        self.file.as_deref().map_or_else(|| Ok(Map::new()), document)
    }

    /// What `--set` says, as a merge patch (RFC 7396).
    pub fn patch(&self) -> anyhow::Result<Map<String, Value>> {
        let mut patch = Map::new();
        for setting in &self.set {
            set(&mut patch, setting)?;
        }
        Ok(patch)
    }
}

/// One resource in a file.
fn document(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let text = input::text(file)?;
    let at = input::shown(file);
    // The parser's words may quote the file, and so a secret in it.
    let parsed: Value = serde_yaml::from_str(&text).map_err(|e| {
        let line = e.location().map(|l| format!(":{}:{}", l.line(), l.column())).unwrap_or_default();
        anyhow::anyhow!("{at}{line} is neither YAML nor JSON")
    })?;
    let Value::Object(map) = parsed else {
        anyhow::bail!("{at} does not hold one resource: write its fields, as `… show NAME -o yaml` prints them");
    };
    if map.get("secret").and_then(Value::as_str).is_some_and(is_reference) {
        anyhow::bail!(
            "{at}: secret: a gateway reads no references of clients\n  take it out, and give the secret with \
             --secret-file"
        );
    }
    Ok(map)
}

/// `title=Acme`, `upstream.Test=engine-test`
fn set(patch: &mut Map<String, Value>, setting: &str) -> anyhow::Result<()> {
    // Neither is repeated before it is known to be a field's name: people paste tokens into both.
    let Some((path, text)) = setting.split_once('=') else { return Err(misuse("--set is written FIELD=VALUE")) };
    let (field, entry) = path.split_once('.').map_or((path, None), |(field, entry)| (field, Some(entry)));
    let value = value(text).with_context(|| format!("--set {}", super::table::printable(field)))?;
    if field == "secret" {
        return Err(misuse("arguments are seen by every process of the machine: keystile connections set-secret NAME"));
    }
    if field == "webhook" && (entry == Some("secrets") || value.get("secrets").is_some()) {
        return Err(misuse("arguments are seen by every process of the machine: keystile workflows add-secret NAME"));
    }
    let verify_token = if entry == Some("verify_token") { Some(&value) } else { value.get("verify_token") };
    if field == "webhook" && verify_token.and_then(Value::as_str).is_some_and(|token| !token.starts_with("blake3:")) {
        return Err(misuse(
            "arguments are seen by every process of the machine: give the token's digest, as `keystile keys digest` \
             prints it, or the token in a file with -f",
        ));
    }
    if token::held_in(text.as_bytes()) {
        return Err(misuse(
            "--set holds a token, which every process of the machine can read: --import-primary-from FILE",
        ));
    }
    match entry {
        None => drop(patch.insert(field.to_owned(), value)),
        Some(entry) => match patch.entry(field).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(map) => drop(map.insert(entry.to_owned(), value)),
            _ => return Err(misuse(format!("--set {field}=… and --set {path}=… contradict each other"))),
        },
    }
    Ok(())
}

/// YAML: `5`, `true`, `[a, b]`, `null`; nothing is an empty text.
fn value(text: &str) -> anyhow::Result<Value> {
    if text.is_empty() {
        return Ok(Value::String(String::new()));
    }
    serde_yaml::from_str(text).map_err(|_| misuse("the value is not YAML: put quotes around it"))
}

/// A body that is being put together.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// From the file; what is added wins over it.
    pub fn beginning_with(given: &Given) -> anyhow::Result<Fields> {
        Ok(Fields(given.in_file()?))
    }

    pub fn text(mut self, field: &str, value: Option<&str>) -> Fields {
        self.0.extend(value.map(|value| (field.to_owned(), Value::from(value))));
        self
    }

    pub fn flag(mut self, field: &str, on: bool) -> Fields {
        self.0.extend(on.then(|| (field.to_owned(), Value::from(true))));
        self
    }

    /// Nothing if it is empty: an empty list would say something else.
    pub fn list(mut self, field: &str, values: &[String]) -> Fields {
        if !values.is_empty() {
            self.0.insert(field.to_owned(), Value::from(values.to_vec()));
        }
        self
    }

    /// As [`Fields::list`], where `all` alone is the word for everything.
    pub fn names(self, field: &str, values: &[String]) -> Fields {
        match values {
            [all] if all == "all" => self.text(field, Some("all")),
            values => self.list(field, values),
        }
    }

    /// `NAME=VALUE` each.
    pub fn pairs(mut self, field: &str, argument: &str, values: &[String]) -> anyhow::Result<Fields> {
        let pair = |text: &String| {
            let (name, value) =
                text.split_once('=').ok_or_else(|| misuse(format!("{argument} is written NAME=VALUE")))?;
            Ok((name.to_owned(), Value::from(value)))
        };
        let map: Map<String, Value> = values.iter().map(pair).collect::<anyhow::Result<_>>()?;
        if !map.is_empty() {
            self.0.insert(field.to_owned(), Value::Object(map));
        }
        Ok(self)
    }

    pub fn value(mut self, field: &str, value: Option<Value>) -> Fields {
        self.0.extend(value.map(|value| (field.to_owned(), value)));
        self
    }

    /// An object, with the fields that are there already.
    pub fn merged(mut self, field: &str, value: Option<Value>) -> Fields {
        merge(&mut self.0, value.map(|value| (field.to_owned(), value)).into_iter().collect());
        self
    }

    /// With what `--set` says.
    pub fn set(mut self, given: &Given) -> anyhow::Result<Fields> {
        merge(&mut self.0, given.patch()?);
        Ok(self)
    }

    /// The resource's name and all of its fields.
    pub fn named(self, kind: Resource, name: Option<&str>) -> anyhow::Result<(String, Map<String, Value>)> {
        let fields = self.text("name", name).0;
        match fields.get("name").and_then(Value::as_str) {
            Some(name) => Ok((name.to_owned(), fields)),
            None => Err(misuse(format!("the {kind} has no name: keystile {} create NAME", kind.plural()))),
        }
    }
}

/// What a gateway shows of a webhook's secrets is nothing to send back, and secrets are no field to edit.
pub fn without_signing(fields: &mut Map<String, Value>) -> anyhow::Result<()> {
    match taken_signing(fields)? {
        secrets if secrets.is_empty() => Ok(()),
        _ => Err(misuse("webhook.secrets are changed one by one: keystile workflows add-secret NAME")),
    }
}

/// Takes a webhook's secrets out of a resource; those that a gateway showed are none.
pub fn taken_signing(fields: &mut Map<String, Value>) -> anyhow::Result<Vec<Zeroizing<String>>> {
    let webhook = fields.get_mut("webhook").and_then(Value::as_object_mut);
    let Some(Value::Array(list)) = webhook.and_then(|webhook| webhook.remove("secrets")) else { return Ok(Vec::new()) };
    let texts = list.into_iter().filter_map(|item| match item {
        Value::String(text) => Some(Zeroizing::new(text)),
        _ => None,
    });
    let secrets: Vec<Zeroizing<String>> = texts.collect();
    if secrets.iter().any(|secret| is_reference(secret)) {
        anyhow::bail!(
            "webhook.secrets: a gateway reads no references of clients\n  take them out, and give the secrets with \
             --webhook-secret-file"
        );
    }
    Ok(secrets)
}

fn is_reference(text: &str) -> bool {
    ["env:", "file:", "vault:"].iter().any(|scheme| text.starts_with(scheme))
}

/// RFC 7396.
fn merge(into: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (field, value) in patch {
        match (into.get_mut(&field), value) {
            (_, Value::Null) => drop(into.remove(&field)),
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            (_, value) => drop(into.insert(field, value)),
        }
    }
}

/// The merge patch that makes `after` of `before`. Fields that `after` does not name stay, unless `whole`: then it is all
/// there is to be.
pub fn difference(before: &Map<String, Value>, after: &Map<String, Value>, whole: bool) -> Map<String, Value> {
    let mut patch = Map::new();
    for (field, value) in after {
        match (before.get(field), value) {
            (Some(old), new) if old == new => {}
            (None, Value::Null) => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(field.clone(), Value::Object(difference(old, new, true)));
            }
            (_, new) => drop(patch.insert(field.clone(), new.clone())),
        }
    }
    let gone = before.iter().filter(|(field, old)| whole && !old.is_null() && !after.contains_key(*field));
    patch.extend(gone.map(|(field, _)| (field.clone(), Value::Null)));
    patch
}

/// Whether the schema has these fields: the gateway checks them too, but it is told of a slip without asking it.
pub fn check_names(kind: Resource, fields: &Map<String, Value>) -> anyhow::Result<()> {
    let Some(shape) = shape(kind) else { return Ok(()) };
    for field in fields.keys().filter(|field| shape.field(field).is_none()) {
        let near = nearest(field, shape.fields.iter().map(|f| f.name));
        if let Some(near) = near {
            return Err(misuse(format!("a {kind} has no field {field:?}; did you mean {near}?")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn patched(settings: &[&str]) -> Result<Value, String> {
        let given = Given { set: settings.iter().map(|s| (*s).to_owned()).collect(), file: None };
        given.patch().map(Value::Object).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn settings_are_a_merge_patch_of_yaml_values() {
        let expected = json!({ "title": "A b", "workflows": ["x"], "rate_limit": null, "upstream": { "Test": "e" } });
        let settings = ["title=A b", "workflows=[x]", "rate_limit=null", "upstream.Test=e"];
        assert_eq!(patched(&settings).unwrap(), expected);
        assert_eq!(patched(&["retries=5"]).unwrap(), json!({ "retries": 5 }));
        for bad in [
            "title",
            "title={",
            "secret=sesame",
            "webhook.secrets=[sesame]",
            "webhook={secrets: [sesame]}",
            "webhook.verify_token=sesame",
        ] {
            let refused = patched(&[bad]).unwrap_err();
            assert!(!refused.contains("sesame"), "{refused}");
        }
    }

    #[test]
    fn a_token_in_an_argument_is_refused_and_not_repeated() {
        let token = token::generate(|out| {
            out.fill(7);
            Ok::<(), ()>(())
        })
        .unwrap();
        let refused = patched(&[&format!("primary={}", token.as_str())]).unwrap_err();
        assert!(!refused.contains("kst_") && refused.contains("--import-primary-from"), "{refused}");
    }

    #[test]
    fn a_file_changes_the_fields_it_names_and_an_editor_all() {
        let before =
            object(json!({ "title": "a", "rate_limit": "1/s", "upstream": { "P": "x", "T": "y" }, "id": "7" }));
        let after = object(json!({ "title": "b", "upstream": { "P": "z" }, "id": "7" }));
        let part = json!({ "title": "b", "upstream": { "P": "z", "T": null } });
        assert_eq!(Value::Object(difference(&before, &after, false)), part);
        let whole = json!({ "title": "b", "upstream": { "P": "z", "T": null }, "rate_limit": null });
        assert_eq!(Value::Object(difference(&before, &after, true)), whole);
    }

    #[test]
    fn every_kind_has_its_schema() {
        for kind in Resource::ALL {
            assert!(shape(kind).unwrap().field("name").is_some(), "{kind}");
        }
        let slip = check_names(Resource::Key, &object(json!({ "ratelimit": "1/s" }))).unwrap_err().to_string();
        assert!(slip.contains("rate_limit"), "{slip}");
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<u8>().prop_map(Value::from),
            "[a-c]".prop_map(Value::from)
        ];
        let tree = leaf
            .prop_recursive(3, 12, 3, |inner| prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|m| json!(m)));
        prop::collection::btree_map("[a-d]", tree, 0..4).prop_map(|m| json!(m))
    }

    proptest! {
        #[test]
        fn the_difference_makes_one_of_the_other(before in documents(), after in documents()) {
            let (mut before, after) = (object(before), object(after));
            let patch = difference(&before, &after, true);
            merge(&mut before, patch);
            prop_assert_eq!(before, after);
        }
    }
}
