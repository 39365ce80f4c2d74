//! From a checked request to its use case, and from what that answers to a reply. Nothing is decided here.

use super::body::{Given, JSON};
use super::parameters::Query;
use super::preconditions::{etag, none_match};
use super::problem::{Problem, Reply, empty, text};
use super::routes::parameters as p;
use super::routes::{Guarded, Operation};
use super::{api::PREFIX, docs, openapi};
use crate::config::scalar;
use crate::control::{
    Actor, AuditFilter, Control, Created, Deletion, Listing, NewSigningSecret, Page, Precondition, Refusal, SecretSet,
    Shown, UrlOrder, Wrong,
};
use crate::model::{Resource, Slot};
use crate::store::{Access, ListQuery};
use bytes::Bytes;
use http::StatusCode;
use http::header::{ETAG, HeaderMap, HeaderValue, LOCATION};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// What was asked, checked against its route.
pub struct Call<'r> {
    /// A name or an id; empty where the path has none.
    pub name: &'r str,
    pub slot: Slot,
    /// Of a workflow's secret.
    pub number: u32,
    pub query: Query,
    pub if_match: Option<Precondition>,
    pub idempotency_key: Option<&'r str>,
    pub fields: &'r HeaderMap,
    pub body: Given,
}

/// What nobody needs a token for.
pub fn open(operation: Operation) -> Reply {
    match operation {
        Operation::Document => text(StatusCode::OK, JSON, openapi::text()),
        _ => docs::page(),
    }
}

pub async fn perform(control: &Control, actor: &Actor, operation: Guarded, call: Call<'_>) -> Result<Reply, Problem> {
    let name = call.name;
    match operation {
        Guarded::List(kind) => page(control.list(actor, kind, listing(&call.query)).await?),
        Guarded::Create(kind) => create(control, actor, kind, call).await,
        Guarded::Show(kind) => {
            let shown = control.show(actor, kind, name).await?;
            if none_match(call.fields, shown.version)? { Ok(unchanged(&shown)) } else { show(&shown) }
        }
        Guarded::Edit(kind) => show(&control.edit(actor, kind, name, call.body.text, call.if_match).await?),
        Guarded::Delete(kind) => {
            let how = Deletion { force: call.query.flag(&p::FORCE_DELETE) };
            control.delete(actor, kind, name, how, call.if_match).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        Guarded::Dependants(kind) => value(&control.dependants(actor, kind, name).await?),
        Guarded::Disable => show(&control.disable(actor, name, call.if_match).await?),
        Guarded::Enable => show(&control.enable(actor, name, call.if_match).await?),
        Guarded::Revoke => show(&control.revoke(actor, name, call.if_match).await?),
        Guarded::Regenerate => regenerate(control, actor, call).await,
        Guarded::SignUrl => sign_url(control, actor, call).await,
        Guarded::SetSecret => set_secret(control, actor, call).await,
        Guarded::Verify => show(&control.verify(actor, name).await?),
        Guarded::Rollback => rollback(control, actor, call).await,
        Guarded::Purge => value(&control.purge(actor, name).await?),
        Guarded::AddSigningSecret => add_signing_secret(control, actor, call).await,
        Guarded::RemoveSigningSecret => {
            let how = Deletion { force: call.query.flag(&p::FORCE_LAST) };
            control.remove_signing_secret(actor, name, call.number, how, call.if_match).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        Guarded::Export => value(&control.export(actor).await?),
        Guarded::Import => {
            let dry_run = call.query.flag(&p::DRY_RUN);
            value(&control.import(actor, call.body.text, dry_run).await?)
        }
        Guarded::Audit => page(control.audit(actor, audit_query(&call.query)).await?),
        Guarded::AuditVerify => value(&control.audit_verify(actor).await?),
        Guarded::Usage => {
            let kind = call.query.text(&p::KIND).and_then(Resource::named);
            value(&control.usage(actor, kind, call.query.text(&p::NAME)).await?)
        }
        Guarded::Status => value(&control.status(actor).await?),
        Guarded::Explain => {
            let body =
                serde_json::from_str(&call.body.text).map_err(|_| field("", "it cannot be read", "write JSON"))?;
            value(&control.explain(actor, body).await?)
        }
    }
}

async fn create(control: &Control, actor: &Actor, kind: Resource, call: Call<'_>) -> Result<Reply, Problem> {
    let force = call.query.flag(&p::FORCE_SECRET);
    Ok(created(kind, control.create(actor, kind, call.body.text, call.idempotency_key, force).await?))
}

/// What was made, and where it is shown.
fn created(kind: Resource, created: Created) -> Reply {
    let Created { body, name, version, replayed: _ } = created;
    // The tokens in it are wiped once they are sent.
    let mut reply = text(StatusCode::CREATED, JSON, Bytes::from_owner(Wiped(body)));
    reply.headers_mut().insert(ETAG, etag(version));
    if let Ok(location) = HeaderValue::try_from(format!("{PREFIX}/{}/{name}", kind.plural())) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

#[derive(Default, Deserialize)]
struct Regeneration {
    grace: Option<String>,
}

async fn regenerate(control: &Control, actor: &Actor, call: Call<'_>) -> Result<Reply, Problem> {
    let Regeneration { grace } = call.body.into(&["grace"])?;
    let grace = match grace {
        // What stands there instead is not repeated: it may be the token.
        Some(text) => scalar::duration(&text).map_err(|wrong| field("grace", "not a duration", &wrong.remedy))?,
        None => Duration::ZERO,
    };
    let token = control.regenerate(actor, call.name, call.slot, grace, call.if_match).await?;
    // Tokens are letters, digits and `_`: there is nothing to escape.
    let mut body = Zeroizing::new(String::with_capacity(token.len() + 16));
    ["{\"token\":\"", &token, "\"}"].into_iter().for_each(|part| body.push_str(part));
    Ok(text(StatusCode::OK, JSON, Bytes::from_owner(Wiped(body))))
}

async fn sign_url(control: &Control, actor: &Actor, call: Call<'_>) -> Result<Reply, Problem> {
    let order: UrlOrder = call.body.into(UrlOrder::FIELDS)?;
    let body = control.sign_url(actor, call.name, &order).await?;
    Ok(text(StatusCode::CREATED, JSON, Bytes::from_owner(Wiped(body))))
}

#[derive(Default, Deserialize)]
struct NewSecret {
    #[serde(deserialize_with = "wiped")]
    secret: Zeroizing<String>,
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

async fn set_secret(control: &Control, actor: &Actor, call: Call<'_>) -> Result<Reply, Problem> {
    let NewSecret { secret } = call.body.into(&["secret"])?;
    let (force, verify) = (call.query.flag(&p::FORCE_SECRET), call.query.flag(&p::VERIFY));
    let set = SecretSet { secret, force, verify };
    show(&control.set_secret(actor, call.name, set, call.if_match).await?)
}

async fn add_signing_secret(control: &Control, actor: &Actor, call: Call<'_>) -> Result<Reply, Problem> {
    let NewSecret { secret } = call.body.into(&["secret"])?;
    let new = NewSigningSecret { secret, idempotency_key: call.idempotency_key };
    let added = control.add_signing_secret(actor, call.name, new, call.if_match).await?;
    Ok(created(Resource::Workflow, added))
}

#[derive(Default, Deserialize)]
struct Rollback {
    version: Option<u32>,
}

async fn rollback(control: &Control, actor: &Actor, call: Call<'_>) -> Result<Reply, Problem> {
    let Rollback { version } = call.body.into(&["version"])?;
    show(&control.rollback(actor, call.name, version, call.if_match).await?)
}

fn listing(query: &Query) -> Listing {
    Listing {
        query: ListQuery {
            q: query.owned(&p::Q),
            connector: query.owned(&p::CONNECTOR),
            environment: query.owned(&p::ENVIRONMENT),
            access: query.text(&p::ACCESS).and_then(access),
            state: query.owned(&p::STATUS),
            limit: limit(query),
            ..ListQuery::default()
        },
        origin: query.owned(&p::ORIGIN),
        cursor: query.owned(&p::CURSOR),
    }
}

fn access(word: &str) -> Option<Access> {
    serde_json::from_value(json!(word)).ok()
}

fn audit_query(query: &Query) -> AuditFilter {
    AuditFilter {
        actor: query.owned(&p::ACTOR),
        action: query.owned(&p::ACTION),
        kind: query.owned(&p::KIND),
        subject: query.owned(&p::SUBJECT),
        since: query.moment(&p::SINCE),
        until: query.moment(&p::UNTIL),
        before: query.number(&p::BEFORE),
        limit: limit(query),
    }
}

fn limit(query: &Query) -> usize {
    query.number(&p::LIMIT).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1)
}

fn show(shown: &Shown) -> Result<Reply, Problem> {
    let mut reply = value(&shown.body)?;
    reply.headers_mut().extend(shown.version.map(|version| (ETAG, etag(version))));
    Ok(reply)
}

fn unchanged(shown: &Shown) -> Reply {
    let mut reply = empty(StatusCode::NOT_MODIFIED);
    reply.headers_mut().extend(shown.version.map(|version| (ETAG, etag(version))));
    reply
}

fn page(page: Page) -> Result<Reply, Problem> {
    value(&json!({ "items": page.items, "next": page.next }))
}

#[expect(clippy::unnecessary_wraps, reason = "it ends every branch of what may fail")]
fn value(body: &Value) -> Result<Reply, Problem> {
    Ok(text(StatusCode::OK, JSON, body.to_string()))
}

/// A mistake in a small body.
fn field(name: &str, reason: &str, remedy: &str) -> Problem {
    let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("{name}: {reason}"), remedy);
    refusal.errors = vec![Wrong { field: name.to_owned(), reason: reason.to_owned(), remedy: remedy.to_owned() }];
    refusal.into()
}

/// Text that is wiped once it was sent.
struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
