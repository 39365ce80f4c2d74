//! A document that is imported, taken apart: resources by their kind, tokens and secrets kept apart from the rest.

use super::MOST_KEYS;
use crate::control::body::Body;
use crate::control::refusal::{Done, Refusal};
use crate::model::{Resource, Uid};
use http::StatusCode;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// What a document says.
#[derive(Default)]
pub struct Given {
    /// Environments, connections and workflows.
    pub resources: Vec<Item>,
    pub keys: Vec<Item>,
    /// Lists that are no resources.
    pub strangers: Vec<String>,
}

/// One resource of it.
pub struct Item {
    pub kind: Resource,
    /// `connections[stripe]`; its number, if it says no name.
    pub place: String,
    pub body: Body,
}

impl Item {
    pub fn name(&self) -> &str {
        self.body.name.as_deref().unwrap_or_default()
    }

    pub fn id(&self) -> Option<Uid> {
        self.body.id
    }
}

impl Given {
    pub fn read(text: &str) -> Done<Given> {
        let mut given: Given = serde_json::from_str(text).map_err(|error| {
            // The parser's words quote what it read, which may be a secret.
            let detail = format!("the document cannot be read (line {}, column {})", error.line(), error.column());
            let hint = "send JSON: {\"environments\": […], \"connections\": […], \"workflows\": […], \"keys\": […]}";
            Refusal::new(StatusCode::BAD_REQUEST, "bad_body", detail, hint)
        })?;
        if given.keys.len() > MOST_KEYS {
            let detail = format!("the document has {} keys; {MOST_KEYS} are taken at once", given.keys.len());
            let hint = "import them in several documents";
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail, hint));
        }
        given.resources.sort_by_key(|item| item.kind);
        given.keys.iter().chain(&given.resources).try_for_each(|item| item.body.without_tokens(&item.place))?;
        Ok(given)
    }

    fn add(&mut self, kind: Resource, bodies: Vec<Body>) {
        let items = bodies.into_iter().enumerate().map(|(number, body)| {
            let place = match &body.name {
                Some(name) => format!("{}[{name}]", kind.plural()),
                None => format!("{}[{number}]", kind.plural()),
            };
            Item { kind, place, body }
        });
        match kind {
            Resource::Key => self.keys.extend(items),
            _ => self.resources.extend(items),
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Given, D::Error> {
        deserializer.deserialize_map(Lists)
    }
}

struct Lists;

impl<'de> Visitor<'de> for Lists {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of lists")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let (mut given, mut seen) = (Given::default(), Vec::new());
        while let Some(list) = map.next_key::<String>()? {
            match Resource::listed_as(&list) {
                Some(kind) if seen.contains(&kind) => return Err(A::Error::custom("a list twice")),
                Some(kind) => {
                    seen.push(kind);
                    given.add(kind, map.next_value::<Vec<Body>>()?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                    given.strangers.push(list);
                }
            }
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lists_and_come_once() {
        assert!(Given::read(r#"{"keys": [], "workflows": [{"name": "w"}]}"#).is_ok());
        for bad in [r#"{"keys": null}"#, r#"{"keys": {}}"#, r#"{"keys": [], "keys": []}"#, r#"{"keys": ["a"]}"#, "[]"] {
            assert_eq!(Given::read(bad).err().map(|refusal| refusal.code), Some("bad_body"), "{bad}");
        }
    }
}
