//! A key that changes: everything of it but its tokens.

use super::rows;
use super::shown::{self, Standing};
use crate::control::access::Actor;
use crate::control::body::{Body, merge_patch};
use crate::control::refusal::{Done, broken};
use crate::control::state::Control;
use crate::control::{Precondition, Shown};
use crate::model::Resource;
use crate::store::KeyRow;

impl Control {
    pub(in crate::control) async fn edit_key(
        &self,
        actor: &Actor,
        name: &str,
        patch: &str,
        if_match: Option<Precondition>,
    ) -> Done<Shown> {
        actor.may_write()?;
        let patch = Body::read(patch)?;
        patch.without_secrets(Resource::Key, name)?;
        self.change_key(actor, name, "key.edit", if_match, |control, before| control.edited(actor, before, &patch))
            .await
    }

    fn edited(&self, actor: &Actor, before: &KeyRow, patch: &Body) -> Done<KeyRow> {
        patch.keeps_id(before.uid)?;
        let live = self.live();
        let spec = rows::spec(before).map_err(broken)?;
        let mut fields = shown::document(&spec, &live.snapshot.frame, &Standing::of(before));
        merge_patch(&mut fields, patch.fields.clone());
        let name = patch.name.clone().unwrap_or_else(|| before.name.clone());
        if name != before.name {
            self.name_is_free(Resource::Key, &name)?;
        }
        // One that was deleted stays the key's until somebody says another: without any, it would be good for all.
        let gone = before.environment.filter(|uid| live.snapshot.environment_of(*uid).is_none());
        let gone = gone.filter(|_| !patch.fields.contains_key("environment"));
        if gone.is_some() {
            fields.remove("environment");
        }
        let mut described = self.described(&name, &fields)?;
        described.environment = gone.or(described.environment);
        // What he could not give he may not keep alive with more.
        actor.may_grant(&spec, before.environment)?;
        actor.may_grant(&described.spec, described.environment)?;
        let row = described.into_row(actor, before.uid, &name, before.created_at)?;
        let after = KeyRow {
            enabled: row.enabled,
            document: row.document,
            name: row.name,
            expires_at: row.expires_at,
            environment: row.environment,
            ..before.clone()
        };
        Ok(after)
    }
}
