//! What a store adds to the file: documents in the file's own schema, which are assembled as if they stood in it (T1b).

use super::Site;
use crate::config::check::check_shape;
use crate::config::shape::Shape;
use crate::config::tree::{Node, Value};
use crate::config::{Mistakes, View, json, schema};
use crate::model::{Resource, Uid, UrlKey};
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Everything that the store holds but keys. A copy is cheap.
#[derive(Clone, Default)]
pub struct Holdings {
    pub documents: Vec<Document>,
    /// H7: what URLs are signed with where there is a store, whatever the file says by now.
    pub url_key: Option<Arc<UrlKey>>,
}

/// An environment, a connection or a workflow of the store.
#[derive(Clone)]
pub struct Document {
    pub kind: Resource,
    pub uid: Uid,
    pub name: Arc<str>,
    /// With `name` and `id`, and without a secret.
    node: Arc<Node>,
    pub secret: Option<Arc<Held>>,
    /// H1: what a workflow's senders sign with.
    pub signing: Vec<Arc<Signing>>,
}

/// One of a workflow's secrets, for as long as the gateway runs.
pub struct Signing {
    /// Never used again for another of this workflow.
    pub number: u32,
    pub value: Zeroizing<Vec<u8>>,
}

/// A connection's secret, for as long as the gateway runs.
pub struct Held {
    pub value: Zeroizing<Vec<u8>>,
    /// C16: the digest of the destination that it is sealed to. None: it is being entered for whatever the document says.
    pub sealed_to: Option<[u8; 32]>,
}

impl Document {
    /// Checks `fields` (a JSON object without `name`, `id` and `secret`) against the schema of its kind.
    pub fn read(
        kind: Resource,
        uid: Uid,
        name: &str,
        fields: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Document, Mistakes> {
        let mut entries = vec![json::field("name", json::text(name)), json::field("id", json::text(&uid.to_string()))];
        entries.extend(fields.iter().map(|(name, value)| json::field(name, json::node(value))));
        let node = Node { value: Value::Map(entries), ..json::text("") };
        let mut mistakes = Mistakes::new(STORE);
        check_shape(&node, &Shape::Map(schema::resource(kind)), &mut mistakes);
        let document = View::root(&node, Shape::Map(schema::resource(kind)));
        if kind == Resource::Connection && (document.is_set("tls.certificate") || document.is_set("tls.key")) {
            // T1a: whoever may add a connection may not thereby use any key that lies on this machine.
            let remedy = "leave them out, or write the connection into the file";
            mistakes.error(document.at("tls"), "client certificates are named in the configuration file alone", remedy);
        }
        if kind == Resource::Workflow {
            without_references(&document, &mut mistakes);
        }
        match mistakes.has_errors() {
            true => Err(mistakes),
            false => {
                let (name, node) = (name.into(), Arc::new(node));
                Ok(Document { kind, uid, name, node, secret: None, signing: Vec::new() })
            }
        }
    }

    pub fn with_secret(self, secret: Option<Arc<Held>>) -> Document {
        Document { secret, ..self }
    }

    pub fn with_signing(self, signing: Vec<Arc<Signing>>) -> Document {
        Document { signing, ..self }
    }

    /// The fields, as the schema reads them.
    pub fn view(&self) -> View<'_> {
        View::root(&self.node, Shape::Map(schema::resource(self.kind)))
    }
}

/// T1a: whoever may add a workflow may not thereby try out what secrets this machine has.
fn without_references(document: &View<'_>, mistakes: &mut Mistakes) {
    if document.is_set("webhook.secrets") {
        let remedy = "send the secrets themselves";
        mistakes.error(document.at("webhook.secrets"), "a document holds no secrets", remedy);
    }
    if document.text("webhook.verify_token").is_some_and(|token| !token.starts_with("blake3:")) {
        let remedy = "send the token, or its digest blake3:…";
        let at = document.at("webhook.verify_token");
        mistakes.error(at, "references stand in the configuration file alone", remedy);
    }
}

pub use crate::config::mistake::NO_FILE as STORE;

impl Holdings {
    pub fn get(&self, uid: Uid) -> Option<&Document> {
        self.documents.iter().find(|document| document.uid == uid)
    }

    /// The same with one document more, or another in place of the one with its id.
    pub fn with(&self, document: Document) -> Holdings {
        let mut documents = self.documents.clone();
        match documents.iter_mut().find(|d| d.uid == document.uid) {
            Some(place) => *place = document,
            None => documents.push(document),
        }
        self.holding(documents)
    }

    /// The same with many more, or in the place of those with their ids.
    pub fn with_all(&self, changed: impl IntoIterator<Item = Document>) -> Holdings {
        let mut documents = self.documents.clone();
        let mut places: HashMap<Uid, usize> = documents.iter().enumerate().map(|(at, d)| (d.uid, at)).collect();
        for document in changed {
            match places.get(&document.uid) {
                Some(at) => documents[*at] = document,
                None => {
                    places.insert(document.uid, documents.len());
                    documents.push(document);
                }
            }
        }
        self.holding(documents)
    }

    pub fn without(&self, uid: Uid) -> Holdings {
        self.holding(self.documents.iter().filter(|d| d.uid != uid).cloned().collect())
    }

    fn holding(&self, documents: Vec<Document>) -> Holdings {
        Holdings { documents, url_key: self.url_key.clone() }
    }

    /// The file's tree with the documents at the ends of its lists. The same name in both is a mistake.
    pub(super) fn join(&self, file: &Node, site: &Site<'_>) -> Node {
        let mut joined = file.clone();
        let root = View::root(file, schema::ROOT);
        for kind in Resource::ALL {
            let list: Vec<&Document> = self.documents.iter().filter(|d| d.kind == kind).collect();
            if list.is_empty() {
                continue;
            }
            for view in root.list(kind.plural()) {
                if let Some(name) = view.text("name")
                    && list.iter().any(|d| *d.name == *name)
                {
                    let remedy =
                        format!("rename one of the two: the file's here, the store's with `keystile {kind}s edit`");
                    site.error(view.at("name"), format!("the store has the {kind} {name} already"), remedy);
                }
            }
            let mut items: Vec<Node> = list.iter().map(|document| (*document.node).clone()).collect();
            if kind == Resource::Environment && root.list(kind.plural()).next().is_none() {
                // What a file without environments has; unless the store says otherwise.
                if !list.iter().any(|d| d.view().flag("default")) {
                    if let Some(document) = list.iter().find(|d| *d.name == *super::names::IMPLIED) {
                        let remedy = "choose another name, or write `default: true` to put it in the other's place";
                        let reason = "there is an environment of this name without anybody's having declared it";
                        site.error(document.view().at("name"), reason, remedy);
                    }
                    items.insert(0, implied_environment());
                }
            }
            append(&mut joined, kind.plural(), items);
        }
        joined
    }
}

fn implied_environment() -> Node {
    let fields = serde_json::json!({ "name": super::names::IMPLIED, "default": true });
    json::node(&fields)
}

fn append(root: &mut Node, list: &str, items: Vec<Node>) {
    let Value::Map(entries) = &mut root.value else { return };
    match entries.iter_mut().find(|entry| &*entry.key == list).map(|entry| &mut entry.node.value) {
        Some(Value::List(present)) => present.extend(items),
        Some(_) => {}
        None => entries.push(json::field(list, Node { value: Value::List(items), ..json::text("") })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(fields: serde_json::Value) -> Result<Document, Mistakes> {
        let serde_json::Value::Object(fields) = fields else { panic!("an object") };
        Document::read(Resource::Connection, Uid([1; 16]), "engine", &fields)
    }

    #[test]
    fn t1a_a_client_certificate_of_this_machine_is_not_had_by_naming_its_file() {
        let with = |tls| read(json!({ "base_url": "https://a.example", "tls": tls }));
        let refused = with(json!({ "certificate": "/etc/x.pem", "key": "/etc/x.key" })).err().unwrap();
        assert!(refused.iter().any(|m| m.path == "tls" && m.reason.contains("file alone")), "{refused}");
        assert!(with(json!({ "ca": "tls/ca.pem", "server_name": "a.internal" })).is_ok());
    }

    #[test]
    fn t1a_a_stored_webhook_names_no_secret_of_this_machine() {
        let with = |webhook: serde_json::Value| {
            let fields = json!({ "template": "POST /a", "webhook": webhook });
            Document::read(Resource::Workflow, Uid([1; 16]), "a", fields.as_object().unwrap())
        };
        let refused = with(json!({ "scheme": "github", "secrets": ["env:A"] })).err().unwrap();
        assert!(refused.iter().any(|m| m.path == "webhook.secrets"), "{refused}");
        let meta = |token: &str| with(json!({ "scheme": "github", "handshake": "meta", "verify_token": token }));
        assert!(meta("env:A").err().unwrap().iter().any(|m| m.path == "webhook.verify_token"));
        assert!(meta(&crate::model::Digest::of(b"sesame").to_string()).is_ok());
    }

    #[test]
    fn a_document_says_which_of_its_fields_is_wrong() {
        let refused = read(json!({ "base_url": "ftp://a", "rate_limit": "many" })).err().unwrap();
        let fields: Vec<&str> = refused.iter().map(|m| &*m.path).collect();
        assert_eq!(fields, ["base_url", "rate_limit"]);
        assert!(refused.to_string().starts_with("the store: error: base_url: "), "{refused}");
    }
}
