//! From an OpenAPI document to a connector's file: where the API is, and where its credential goes. What an API's
//! secrets look like and how one is tried no such document says; that is left to whoever reads the result.

use super::server::{Server, servers};
use crate::model::name::is_name;
use serde_yaml::{Mapping, Value};
use std::fmt::Write as _;

/// A connector's file, and what its reader should know.
#[derive(Debug)]
pub struct Imported {
    pub yaml: String,
    pub notes: Vec<String>,
}

/// Why no connector comes of a document.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImportError {
    #[error("not YAML or JSON: {0}")]
    Syntax(String),
    #[error("neither OpenAPI 3 nor Swagger 2: there is no field `openapi: 3.x` or `swagger: \"2.0\"` at the top")]
    NotOpenApi,
    #[error("the document declares no security schemes, so nothing says where the credential goes")]
    NoSchemes,
    #[error("there is no security scheme {name:?}; there is {}", known.join(", "))]
    UnknownScheme { name: String, known: Vec<String> },
    #[error("the security scheme {name:?} cannot be expressed: {why}")]
    Inexpressible { name: String, why: String },
    #[error("{0:?} is no name for a connector: choose one with --name, letters, digits, dots and hyphens")]
    Name(String),
}

/// Reads `text`. `name` is the connector's, `scheme` the security scheme's; without them the document's title, and the
/// scheme that it asks for first.
pub fn import(text: &str, name: Option<&str>, scheme: Option<&str>) -> Result<Imported, ImportError> {
    let document: Value = serde_yaml::from_str(text).map_err(|error| ImportError::Syntax(error.to_string()))?;
    let version = |field: &str| document.get(field).map(scalar).unwrap_or_default();
    if !version("openapi").starts_with("3.") && version("swagger") != "2.0" {
        return Err(ImportError::NotOpenApi);
    }
    let mut notes = Vec::new();
    let (scheme_name, scheme) = choose(&document, scheme, &mut notes)?;
    let credential = credential(&scheme_name, &scheme)?;
    let title = one_line(document.get("info").and_then(|i| i.get("title")).map(scalar).unwrap_or_default().as_str());
    let name = match name {
        Some(name) => name.to_owned(),
        None => slug(&title),
    };
    if !is_name(&name) {
        return Err(ImportError::Name(name));
    }
    let servers = servers(&document, &mut notes);
    let docs = document.get("externalDocs").and_then(|d| d.get("url")).map(scalar);
    let docs = docs.filter(|url| url.starts_with("http") && !url.contains(['?', '#', '@', '%', ' ']));
    notes.extend(credential.note.clone());
    let title = if title.is_empty() { name.clone() } else { title };
    let yaml = write(&name, &title, docs.as_deref(), &servers, (&scheme_name, &credential), &notes);
    Ok(Imported { yaml, notes })
}

/// The scheme that is asked for: by name, else the first that the document asks for, else the first it declares.
fn choose(document: &Value, wanted: Option<&str>, notes: &mut Vec<String>) -> Result<(String, Value), ImportError> {
    let schemes = document.get("components").and_then(|c| c.get("securitySchemes"));
    let schemes = schemes.or_else(|| document.get("securityDefinitions")).and_then(Value::as_mapping);
    let empty = Mapping::new();
    let schemes = schemes.unwrap_or(&empty);
    let known: Vec<String> = schemes.keys().map(scalar).collect();
    let Some(first) = known.first() else { return Err(ImportError::NoSchemes) };
    let asked = document.get("security").and_then(Value::as_sequence).into_iter().flatten();
    let asked: Vec<Vec<String>> =
        asked.filter_map(|one| Some(one.as_mapping()?.keys().map(scalar).collect())).collect();
    let chosen = match wanted {
        Some(name) => name.to_owned(),
        None => {
            let usual = asked.iter().flatten().find(|name| known.contains(name)).unwrap_or(first).clone();
            if known.len() > 1 {
                let others: Vec<&str> = known.iter().filter(|k| **k != usual).map(String::as_str).collect();
                notes.push(format!(
                    "of several security schemes {usual} was taken; --scheme chooses {}",
                    others.join(", ")
                ));
            }
            usual
        }
    };
    if let Some(together) = asked.iter().find(|one| one.len() > 1 && one.contains(&chosen)) {
        notes.push(format!("the document asks for {} together; only {chosen} is written here", together.join(" and ")));
    }
    match schemes.get(chosen.as_str()) {
        Some(scheme) => Ok((chosen.clone(), resolve(document, &chosen, scheme)?)),
        None => Err(ImportError::UnknownScheme { name: chosen, known }),
    }
}

/// A scheme may stand elsewhere in the document.
fn resolve(document: &Value, name: &str, scheme: &Value) -> Result<Value, ImportError> {
    let Some(place) = scheme.get("$ref").map(scalar) else { return Ok(scheme.clone()) };
    let found = place.strip_prefix("#/").and_then(|path| path.split('/').try_fold(document, |at, step| at.get(step)));
    found.cloned().ok_or_else(|| ImportError::Inexpressible {
        name: name.to_owned(),
        why: format!("it stands elsewhere ({}); put the documents together first", one_line(&place)),
    })
}

/// Where the credential goes, as lines of YAML.
struct Credential {
    inject: String,
    /// A user name is asked for as well.
    user: bool,
    note: Option<String>,
}

fn credential(name: &str, scheme: &Value) -> Result<Credential, ImportError> {
    let text = |field: &str| scheme.get(field).map(scalar).unwrap_or_default();
    let inexpressible = |why: String| Err(ImportError::Inexpressible { name: name.to_owned(), why });
    let plain = |inject: String| Ok(Credential { inject, user: false, note: None });
    let bearer = "inject:\n  header: Authorization\n  value: \"Bearer {secret}\"\n".to_owned();
    let basic = "inject:\n  basic:\n    username: \"{user}\"\n    password: \"{secret}\"\n".to_owned();
    match (text("type").as_str(), text("in").as_str(), text("scheme").to_ascii_lowercase().as_str()) {
        ("apiKey", "header", _) => plain(format!("inject:\n  header: {}\n", quoted(&text("name")))),
        ("apiKey", "query", _) => plain(format!("inject:\n  query: {}\n", quoted(&text("name")))),
        ("apiKey", "cookie", _) => {
            let value = quoted(&format!("{}={{secret}}", text("name")));
            plain(format!("inject:\n  header: Cookie\n  value: {value}\n"))
        }
        ("apiKey", place, _) => inexpressible(format!("its place is {place:?}, and not header, query or cookie")),
        ("http", _, "bearer") => plain(bearer),
        ("http", _, "basic") | ("basic", _, _) => Ok(Credential { inject: basic, user: true, note: None }),
        ("http", _, "digest") => {
            inexpressible("HTTP Digest answers a challenge of the server's, so there is nothing to put in".to_owned())
        }
        ("http", _, other) => inexpressible(format!("the HTTP scheme {other:?} is neither bearer nor basic")),
        ("oauth2" | "openIdConnect", ..) => {
            let note = format!(
                "{name} is OAuth: the secret is an access token, which Keystile neither fetches nor renews; \
                 let something renew the file that the connection's secret is read from"
            );
            Ok(Credential { inject: bearer, user: false, note: Some(note) })
        }
        ("mutualTLS", ..) => inexpressible(
            "it is a client certificate: write tls: { certificate: FILE, key: FILE } in a connection with its own \
             base_url instead"
                .to_owned(),
        ),
        ("", ..) => inexpressible("it has no type".to_owned()),
        (other, ..) => inexpressible(format!("its type {other:?} is unknown")),
    }
}

fn write(
    name: &str,
    title: &str,
    docs: Option<&str>,
    servers: &[Server],
    (scheme, credential): (&str, &Credential),
    notes: &[String],
) -> String {
    let mut out = format!("# {title}, from its OpenAPI document (security scheme {}).\n", one_line(scheme));
    for note in notes {
        let _ = writeln!(out, "# Note: {}.", one_line(note));
    }
    let _ = write!(out, "\nname: {name}\ntitle: {}\n", quoted(title));
    if let Some(url) = docs {
        let _ = writeln!(out, "documentation: {}", quoted(url));
    }
    if let Some((first, others)) = servers.split_first() {
        let _ = writeln!(out, "\nbase_url: {}", quoted(&first.url));
        if !others.is_empty() {
            out.push_str("\nregions:\n");
        }
        for server in others {
            let title = server.title.as_ref().map(|t| format!("title: {}, ", quoted(t))).unwrap_or_default();
            let _ = writeln!(out, "  {}: {{ {title}base_url: {} }}", server.name, quoted(&server.url));
        }
    }
    let fields: Vec<String> = servers.iter().flat_map(|s| s.fields.clone()).collect();
    let mut seen = Vec::new();
    let user = credential.user.then(|| {
        "  - name: user\n    doc: \"The user name that goes with the secret.\"\n    pattern: '[^\\s:{}]+'\n    \
         example: \"me\"\n    required: true\n"
            .to_owned()
    });
    for field in fields.into_iter().chain(user) {
        if !seen.contains(&field) {
            out.push_str(if seen.is_empty() { "\nfields:\n" } else { "" });
            out.push_str(&field);
            seen.push(field);
        }
    }
    let _ = write!(out, "\n{}", credential.inject);
    out + "\n# What the provider's keys look like, and a call that tells whether one works, are worth adding: see the files of\n\
           # the catalogue (keystile connectors show stripe --source).\n#secret:\n#  patterns:\n#    - name: key\n#      \
           pattern: 'acme_[A-Za-z0-9]{32}'\n#verify:\n#  path: /me\n#  rules:\n#    - { status: 200, meaning: active, says: \
           The key works. }\n#    - { status: 401, meaning: bad_key, says: The key is unknown. }\n"
}

/// A scalar as text.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// Text of the document for a comment or a title: one line, and not for ever.
pub(super) fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// YAML's double quotes read JSON's strings, but for characters that it ends lines at or does not take at all.
pub(super) fn quoted(text: &str) -> String {
    let text = serde_json::Value::from(text).to_string();
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect()
}

/// Whether YAML reads `c` as it stands.
pub(super) fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A name from a title.
pub(super) fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let words: String = text.chars().map(plain).collect();
    let name = words.split_whitespace().collect::<Vec<_>>().join("-");
    name.chars().take(40).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
