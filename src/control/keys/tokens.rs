//! K8 to K10: tokens are drawn, or taken over as digests; they are shown by the call that makes them, and by no other.

use super::rows;
use super::states::alive;
use crate::control::Precondition;
use crate::control::access::Actor;
use crate::control::body::Body;
use crate::control::refusal::{Done, Refusal, broken};
use crate::control::state::Control;
use crate::model::{Digest, Slot, token};
use crate::store::{Graced, KeyRow};
use crate::telemetry::timestamp::now_ms;
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// A token, or what is known of it.
pub struct Made {
    pub digest: Digest,
    /// None: it was taken over, and its holder has it.
    token: Option<Zeroizing<String>>,
}

impl Made {
    pub fn into_parts(self) -> (Digest, Option<Zeroizing<String>>) {
        (self.digest, self.token)
    }
}

/// A key's two.
pub struct Tokens {
    pub primary: Made,
    pub secondary: Made,
}

impl Tokens {
    /// Those that the body brings; the others are drawn.
    pub fn of(body: &Body) -> Done<Tokens> {
        let made = |slot| match body.imported(slot)? {
            Some(digest) => Ok(Made { digest, token: None }),
            None => draw(),
        };
        Ok(Tokens { primary: made(Slot::Primary)?, secondary: made(Slot::Secondary)? })
    }

    /// What a create answers, with the tokens that were drawn.
    pub fn into_body(self, shown: Value) -> Zeroizing<String> {
        let shown = shown.to_string();
        // A buffer that grew would leave the first token behind.
        let mut body = Zeroizing::new(String::with_capacity(shown.len() + 2 * (token::LENGTH + 16)));
        body.push_str(&shown);
        for (name, made) in [("primary", self.primary), ("secondary", self.secondary)] {
            let Some(token) = made.token else { continue };
            // Put together by hand, so that no copy of it is left in a tree of values.
            body.pop();
            [",\"", name, "\":\"", &token, "\"}"].into_iter().for_each(|part| body.push_str(part));
        }
        body
    }
}

/// A new one.
pub fn draw() -> Done<Made> {
    let token = token::generate(getrandom::fill).map_err(|_| Refusal::internal("there is no randomness"))?;
    Ok(Made { digest: Digest::of(token.as_bytes()), token: Some(token) })
}

impl Control {
    /// K10: the slot's new token, this once; the other slot is left alone, and the old value is accepted for `grace` more.
    pub async fn regenerate(
        &self,
        actor: &Actor,
        name: &str,
        slot: Slot,
        grace: Duration,
        if_match: Option<Precondition>,
    ) -> Done<Zeroizing<String>> {
        let made = draw()?;
        let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        self.change_key(actor, name, "key.regenerate", if_match, |_, before| {
            alive(before)?;
            actor.may_grant(&rows::spec(before).map_err(broken)?, before.environment)?;
            let now = now_ms();
            let mut row = before.clone();
            let (place, at) = match slot {
                Slot::Primary => (&mut row.primary, &mut row.primary_at),
                Slot::Secondary => (&mut row.secondary, &mut row.secondary_at),
            };
            let old = place.replace(made.digest);
            *at = Some(now);
            // An earlier value's grace ends: two that are no longer shown anywhere would be hard to account for.
            row.graced.retain(|graced| graced.slot != slot);
            if let Some(digest) = old.filter(|_| grace > 0) {
                row.graced.push(Graced { slot, digest, until: now.saturating_add(grace) });
            }
            Ok(KeyRow { ..row })
        })
        .await?;
        made.token.ok_or_else(|| Refusal::internal("no token was drawn"))
    }
}
