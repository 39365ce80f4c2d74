//! The servers of an OpenAPI document: the base URL, regions and fields of a connector.

use super::openapi::{is_plain, one_line, quoted, scalar, slug};
use serde_yaml::Value;

/// A place of the API.
#[derive(Debug)]
pub struct Server {
    /// As a region.
    pub name: String,
    pub title: Option<String>,
    /// With `{field}`.
    pub url: String,
    /// YAML of the fields that the URL names.
    pub fields: Vec<String>,
}

/// The servers that are whole URLs. The others are told in `notes`.
pub fn servers(document: &Value, notes: &mut Vec<String>) -> Vec<Server> {
    let mut found: Vec<Server> = match document.get("servers").and_then(Value::as_sequence) {
        Some(list) => list.iter().filter_map(|server| of_version_3(server, notes)).collect(),
        None => of_version_2(document).into_iter().collect(),
    };
    for at in 1..found.len() {
        let taken = found[..at].iter().any(|s| s.name == found[at].name);
        if found[at].name.is_empty() || taken {
            found[at].name = format!("server-{}", at + 1);
        }
    }
    if found.is_empty() {
        notes.push("no server is a whole URL, so each connection says its base_url".to_owned());
    }
    if found.iter().any(|s| s.url.starts_with("http://")) {
        notes.push("a server is http://, where others can read the credential on the way".to_owned());
    }
    found
}

fn of_version_3(server: &Value, notes: &mut Vec<String>) -> Option<Server> {
    let template = scalar(server.get("url")?);
    if !template.starts_with("https://") && !template.starts_with("http://") {
        notes.push(format!("the server {} is no whole URL and was left out", quoted(&one_line(&template))));
        return None;
    }
    let variables = server.get("variables").and_then(Value::as_mapping);
    let (mut url, mut fields) = (template.clone(), Vec::new());
    for (name, variable) in variables.into_iter().flatten() {
        let theirs = scalar(name);
        let ours = field_name(&theirs);
        let place = format!("{{{theirs}}}");
        if url.contains(&place) {
            url = url.replace(&place, &format!("{{{ours}}}"));
            fields.push(field(&ours, variable));
        }
    }
    let title = server.get("description").map(|d| one_line(&scalar(d))).filter(|t| !t.is_empty());
    let url = url.trim_end_matches('/').to_owned();
    Some(Server { name: title.as_deref().map(slug).unwrap_or_default(), title, url, fields })
}

fn of_version_2(document: &Value) -> Option<Server> {
    let host = scalar(document.get("host")?);
    let base = document.get("basePath").map(scalar).unwrap_or_default();
    let schemes = document.get("schemes").and_then(Value::as_sequence);
    let cleartext = schemes.is_some_and(|s| !s.is_empty() && s.iter().all(|scheme| scalar(scheme) != "https"));
    let scheme = if cleartext { "http" } else { "https" };
    let url = format!("{scheme}://{host}{base}").trim_end_matches('/').to_owned();
    Some(Server { name: String::new(), title: None, url, fields: Vec::new() })
}

/// A variable's name as fields are called.
fn field_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = text.chars().map(plain).take(28).collect();
    match name.as_str() {
        "secret" => "secret_".to_owned(),
        name if name.starts_with(|c: char| c.is_ascii_lowercase()) => name.to_owned(),
        name => format!("f_{name}"),
    }
}

fn field(name: &str, variable: &Value) -> String {
    let default = variable.get("default").map(scalar).filter(|d| !d.is_empty());
    let choices: Vec<String> =
        variable.get("enum").and_then(Value::as_sequence).into_iter().flatten().map(scalar).collect();
    let pattern = match choices.is_empty() {
        true => "[A-Za-z0-9._:-]+".to_owned(),
        false => choices.iter().map(|c| escaped(c)).collect::<Vec<_>>().join("|"),
    };
    let doc = variable.get("description").map(|d| one_line(&scalar(d))).filter(|d| !d.is_empty());
    let doc = doc.unwrap_or_else(|| format!("What stands for {{{name}}} in the URL.").replace(['{', '}'], ""));
    let example = default.clone().or_else(|| choices.first().cloned()).unwrap_or_else(|| "example".to_owned());
    let pattern = match pattern.chars().all(is_plain) {
        true => format!("'{}'", pattern.replace('\'', "''")),
        false => quoted(&pattern),
    };
    let mut out = format!(
        "  - name: {name}\n    doc: {}\n    pattern: {pattern}\n    example: {}\n",
        quoted(&doc),
        quoted(&example)
    );
    if let Some(default) = default {
        out.push_str(&format!("    default: {}\n", quoted(&default)));
    }
    out
}

/// A word as a pattern that fits it alone.
fn escaped(text: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    text.chars().map(|c| if special(c) { format!("\\{c}") } else { c.to_string() }).collect()
}
