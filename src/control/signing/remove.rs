//! One secret less, for good: what it signed is refused from then on.

use super::{Replaced, Ring};
use crate::control::access::Actor;
use crate::control::refusal::{Done, Refusal};
use crate::control::state::Control;
use crate::control::{Deletion, Precondition};
use crate::model::Resource;
use http::StatusCode;

const KIND: Resource = Resource::Workflow;

impl Control {
    /// The last one goes only by force: nobody can deliver after that.
    pub async fn remove_signing_secret(
        &self,
        actor: &Actor,
        name: &str,
        number: u32,
        how: Deletion,
        if_match: Option<Precondition>,
    ) -> Done<()> {
        actor.may_write()?;
        self.stored()?;
        let estate = self.estate().await;
        let before = self.resource_row(KIND, name).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.holds(before.version)) {
            return Err(Refusal::precondition_failed(KIND, &before.name));
        }
        self.may_manage_now(actor, KIND, before.uid)?;
        let mut ring = Ring::of(&before);
        let Some(at) = ring.secrets.iter().position(|entry| entry.number == number) else {
            return Err(unknown(&before.name, number, &ring));
        };
        if ring.secrets.len() == 1 && !how.force {
            let detail = format!("it is the last secret of {}: without one every delivery is refused", before.name);
            let hint = "add the next one first, or repeat it with force=true";
            return Err(Refusal::new(StatusCode::CONFLICT, "last_secret", detail, hint));
        }
        let dropped = vec![ring.secrets.remove(at)];
        ring.notices.clear();
        let mut values = estate.holdings.get(before.uid).map(|d| d.signing.clone()).unwrap_or_default();
        values.retain(|signing| signing.number != number);
        let replaced = Replaced { ring, values, added: Vec::new(), dropped };
        self.put_signing(actor, estate, "workflow.remove_secret", before, replaced, None).await.map(drop)
    }
}

fn unknown(name: &str, number: u32, ring: &Ring) -> Refusal {
    let list = ring.secrets.iter().map(|entry| entry.number.to_string()).collect::<Vec<_>>().join(", ");
    let there = if list.is_empty() { "it has none".to_owned() } else { format!("it has {list}") };
    let detail = format!("the workflow {name} has no secret {number}; {there}");
    Refusal::new(StatusCode::NOT_FOUND, "secret_not_found", detail, "choose one of these")
}
