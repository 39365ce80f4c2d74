//! One more secret, valid beside the others.

use super::{MOST, Replaced, Ring, Signing, twin, wants_secrets};
use crate::control::access::Actor;
use crate::control::keys::shown::joined;
use crate::control::refusal::{Done, Refusal, Wrong};
use crate::control::replay::{Asked, Once};
use crate::control::resources::fields;
use crate::control::secrets::clean;
use crate::control::state::{Control, Hands};
use crate::control::{Created, NewSigningSecret, Precondition};
use crate::model::{Resource, Uid};
use crate::store::ResourceRow;
use crate::telemetry::timestamp::now_ms;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use zeroize::Zeroizing;

const KIND: Resource = Resource::Workflow;

impl Control {
    /// `idempotency_key`: asked again with it, nothing is added again.
    pub async fn add_signing_secret(
        &self,
        actor: &Actor,
        name: &str,
        new: NewSigningSecret<'_>,
        if_match: Option<Precondition>,
    ) -> Done<Created> {
        actor.may_write()?;
        let row = self.resource_row(KIND, name).await?;
        self.may_manage_now(actor, KIND, row.uid)?;
        let what = format!("secret of workflow {}", row.uid);
        let asked = new.idempotency_key.map(|key| Asked { key, what: &what, body: &new.secret });
        let (value, notices) = clean("secret", &new.secret)?;

        let estate = self.estate().await;
        let before = self.resource_row(KIND, &row.uid.to_string()).await?;
        let once = match asked {
            Some(asked) => match self.first_time(actor, asked).await? {
                Once::New(pending) => Some(pending),
                Once::Again(uid) => return added_before(&before, uid),
            },
            None => None,
        };
        if if_match.as_ref().is_some_and(|wanted| !wanted.holds(before.version)) {
            return Err(Refusal::precondition_failed(KIND, &before.name));
        }
        self.may_manage_now(actor, KIND, before.uid)?;
        let now = now_ms();
        let mut added = one_more(actor, &estate, &before, value, now)?;
        added.ring.notices = notices.clone();
        let number = added.added.first().map_or(0, |signing| signing.number);
        let entry = added.ring.secrets.iter().find(|entry| entry.number == number).cloned();
        let entry = entry.ok_or_else(|| Refusal::internal("the secret has no number"))?;
        let replay = once.map(|once| once.made(entry.uid(before.uid), now));
        let after = self.put_signing(actor, estate, "workflow.add_secret", before, added, replay).await;
        let after = after.map_err(of_one)?;
        let more = json!({ "last_used_at": null, "notices": notices });
        let body = joined(entry.shown(), more);
        Ok(Created {
            body: Zeroizing::new(body.to_string()),
            name: after.name,
            version: after.version,
            replayed: false,
        })
    }
}

/// In the words of the call: what an item of the list says is said of the one secret that was sent.
fn of_one(mut refusal: Refusal) -> Refusal {
    for wrong in refusal.errors.iter_mut().filter(|wrong| wrong.field.starts_with("webhook.secrets[")) {
        "secret".clone_into(&mut wrong.field);
    }
    match refusal.errors.as_slice() {
        [one] => Refusal { detail: format!("{}: {}", one.field, one.reason), ..refusal },
        _ => refusal,
    }
}

/// Those of before, and this one.
fn one_more(
    actor: &Actor,
    estate: &Hands,
    before: &ResourceRow,
    value: Zeroizing<Vec<u8>>,
    now: i64,
) -> Done<Replaced> {
    if !wants_secrets(&fields(before)?) {
        let detail = format!("the workflow {} verifies no signatures, so a secret would be of no use", before.name);
        let hint = "give it one first: PATCH {\"webhook\": {\"scheme\": \"…\"}}";
        return Err(Refusal::new(StatusCode::CONFLICT, "no_webhook", detail, hint));
    }
    let mut values = estate.holdings.get(before.uid).map(|d| d.signing.clone()).unwrap_or_default();
    let invalid = |reason: String, remedy: &str| Err(Refusal::invalid(vec![Wrong::new("secret", reason, remedy)]));
    if let Some(twin) = twin(&values, &value) {
        return invalid(format!("it is the same as secret {}", twin.number), "nothing needs to be done");
    }
    let mut ring = Ring::of(before);
    if ring.secrets.len() >= MOST {
        return invalid(format!("there are {MOST} already"), "remove those that are not used any more");
    }
    let signing = Arc::new(Signing { number: ring.add(actor, now), value });
    values.push(signing.clone());
    Ok(Replaced { ring, values, added: vec![signing], dropped: Vec::new() })
}

/// What a repeated call answers.
fn added_before(row: &ResourceRow, uid: Uid) -> Done<Created> {
    let ring = Ring::of(row);
    let Some(entry) = ring.secrets.iter().find(|entry| entry.uid(row.uid) == uid) else {
        let detail = "the secret that this request added was removed since";
        return Err(Refusal::new(StatusCode::CONFLICT, "deleted_since", detail, "use a new idempotency key"));
    };
    let more = json!({ "last_used_at": null, "notices": [] });
    Ok(Created {
        body: Zeroizing::new(joined(entry.shown(), more).to_string()),
        name: row.name.clone(),
        version: row.version,
        replayed: true,
    })
}
