//! H7: URLs that a key signs. They are kept nowhere; that they were signed is, in the audit.

use super::rows;
use crate::assembly::Settings;
use crate::assembly::keys::Spec;
use crate::config::scalar;
use crate::control::access::Actor;
use crate::control::audit::Told;
use crate::control::refusal::{Done, Refusal, Wrong, broken};
use crate::control::state::Control;
use crate::model::{Key, Resource, Slot, Snapshot};
use crate::policy::signed_url::{Issued, Notice, Order, Unissued, issue};
use crate::store::Change;
use crate::telemetry::timestamp::{self, now_ms};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What somebody wants signed, in words.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct UrlOrder {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    pub parameters: BTreeMap<String, String>,
}

impl UrlOrder {
    pub const FIELDS: &'static [&'static str] =
        &["workflow", "expires_at", "expires_in", "slot", "environment", "base", "parameters"];

    /// All mistakes at once.
    fn read<'a>(&'a self, key: &'a Key, now: i64) -> Result<Order<'a>, Vec<Wrong>> {
        let mut wrong = Vec::new();
        if self.workflow.is_none() {
            let reason = "the required field `workflow` is missing";
            wrong.push(Wrong::new("workflow", reason, "name the workflow that the URL is to call"));
        }
        let expires_at = self.expiry(now).map_err(|mistake| wrong.push(mistake)).unwrap_or_default();
        let slot = self.slot.as_deref().map(|name| {
            let slot = Slot::named(name);
            if slot.is_none() {
                wrong.push(Wrong::new("slot", "there is no such slot", "write primary or secondary"));
            }
            slot
        });
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Order {
            key,
            slot: slot.flatten(),
            workflow: self.workflow.as_deref().unwrap_or_default(),
            environment: self.environment.as_deref(),
            expires_at,
            base: self.base.as_deref(),
            parameters: &self.parameters,
        })
    }

    /// Unix milliseconds.
    fn expiry(&self, now: i64) -> Result<i64, Wrong> {
        match (&self.expires_at, &self.expires_in) {
            (Some(at), None) => {
                scalar::timestamp(at).map_err(|wrong| Wrong::new("expires_at", "not a moment", wrong.remedy))
            }
            (None, Some(span)) => {
                let span =
                    scalar::duration(span).map_err(|wrong| Wrong::new("expires_in", "not a duration", wrong.remedy))?;
                Ok(now.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
            }
            (None, None) => {
                let reason = "the required field `expires_at` or `expires_in` is missing";
                Err(Wrong::new("expires_at", reason, "say when the URL ends: \"expires_in\": \"90d\""))
            }
            (Some(_), Some(_)) => {
                Err(Wrong::new("expires_in", "expires_at says it already", "leave one of the two out"))
            }
        }
    }
}

impl Control {
    /// H7: whoever could have the key's token by regenerating it may sign for it.
    pub async fn sign_url(&self, actor: &Actor, name: &str, order: &UrlOrder) -> Done<Zeroizing<String>> {
        actor.may_write()?;
        let live = self.live();
        let key = self.signing_key(actor, &live.snapshot, name).await?;
        if live.snapshot.url_key.is_none() {
            let (detail, hint) = no_url_key(self.written().settings());
            return Err(Refusal::new(StatusCode::CONFLICT, "no_master_key", detail, hint));
        }
        let now = now_ms();
        let issued = signed(&live.snapshot, &key, order, now).map_err(Refusal::invalid)?;
        if self.has_store() {
            let told = Told::by(actor, "key.sign_url", now).of(Resource::Key, &key.name, key.uid);
            let audit = vec![told.change(Value::Null, without_url(&key, &issued))];
            let nothing = Change { guards: vec![], writes: vec![], audit, replay: None, effects: vec![] };
            self.commit(nothing).await?;
        }
        Ok(into_body(&key, issued))
    }

    /// The key, as requests meet it, if this actor could have its token.
    async fn signing_key(&self, actor: &Actor, snapshot: &Snapshot, name: &str) -> Done<Key> {
        if let Some(key) = self.file_key(name) {
            actor.may_grant(&Spec::of(&key), key.environment)?;
            return Ok(key);
        }
        let row = self.key_row(name).await?;
        actor.may_grant(&rows::spec(&row).map_err(broken)?, row.environment)?;
        let found = snapshot.keys.iter().find(|key| key.uid == row.uid).cloned();
        found.ok_or_else(|| Refusal::not_found(Resource::Key, name))
    }
}

/// Signs what is asked for, in words, and says so as the API does. `Err`: what is wrong with it.
pub fn signed_url(snapshot: &Snapshot, key: &Key, order: &UrlOrder, now: i64) -> Result<Zeroizing<String>, Vec<Wrong>> {
    signed(snapshot, key, order, now).map(|issued| into_body(key, issued))
}

fn signed<'s>(snapshot: &'s Snapshot, key: &Key, order: &UrlOrder, now: i64) -> Result<Issued<'s>, Vec<Wrong>> {
    let order = order.read(key, now)?;
    issue(snapshot, &order, now).map_err(|Unissued { field, reason, remedy }| vec![Wrong::new(field, reason, remedy)])
}

/// Why there is nothing to sign URLs with, and what to do.
pub fn no_url_key(settings: &Settings) -> (String, String) {
    let (reason, remedy) = match settings.master_key.as_deref() {
        None => (
            "there is no master key that URLs could be signed with",
            "make one with `keystile url make-key /etc/keystile/master.key`, and write master_key: \
             file:/etc/keystile/master.key into the configuration",
        ),
        Some(place) if place.starts_with("vault:") => (
            "the master key is in Vault and never leaves it, so without a store no URLs can be signed",
            "name a file or a variable as master_key, or give the gateway a store: `keystile init`",
        ),
        Some(_) => ("the store that the configuration names is not open yet", "restart the gateway"),
    };
    (reason.to_owned(), remedy.to_owned())
}

/// What is told of it.
fn without_url(key: &Key, issued: &Issued<'_>) -> Value {
    json!({
        "expires_at": timestamp::text(issued.expires_at),
        "key": &*key.name,
        "slot": issued.slot.name(),
        "workflow": &*issued.workflow.name,
        "environment": &*issued.environment.name,
        "method": issued.template.method.as_str(),
    })
}

/// The same with the URL, which is put in by hand, so that no copy of it is left in a tree of values.
fn into_body(key: &Key, issued: Issued<'_>) -> Zeroizing<String> {
    let mut told = without_url(key, &issued);
    told["notices"] = issued.notices.iter().map(|notice| text(*notice, &key.name)).collect::<Vec<_>>().into();
    let told = told.to_string();
    let mut body = Zeroizing::new(String::with_capacity(told.len() + issued.url.len() + 16));
    // A URL holds nothing that JSON escapes.
    ["{\"url\":\"", &issued.url, "\",", told.trim_start_matches('{')].into_iter().for_each(|part| body.push_str(part));
    body
}

/// For people.
fn text(notice: Notice, key: &str) -> String {
    match notice {
        Notice::ListenersAddress => {
            "it begins with the listener's own address: give what callers reach the gateway by with --base (in the API, \
             base)"
                .to_owned()
        }
        Notice::PathOnly => {
            "it begins with its path: put what callers reach the gateway by before it, or give that with --base (in the \
             API, base)"
                .to_owned()
        }
        Notice::AnyValues => {
            "the values of placeholders are not signed: with others in their places it calls the same workflow"
                .to_owned()
        }
        Notice::KeyEndsBefore(at) => {
            format!("the key {key} ends before it, at {}, and the URL with it", timestamp::text(at))
        }
        Notice::KeyDisabled => format!("the key {key} is disabled: the URL is refused until it is enabled"),
        Notice::FromItsAddresses => format!("it is accepted from the allow_addresses of the key {key} alone"),
        Notice::WithItsCertificate => format!("it is accepted with a client certificate of the key {key} alone"),
        Notice::WithSignature => "its caller has to sign what he delivers as well".to_owned(),
    }
}
