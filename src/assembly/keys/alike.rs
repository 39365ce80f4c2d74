//! What many keys of a file have in common is read once.

use super::super::Site;
use super::{Around, State, spec};
use crate::config::View;
use crate::model::key::{KeyId, Origin};
use crate::model::{Key, Uid};
use std::collections::HashMap;

/// What a key says of itself alone. The rest many have in common.
const OWN: [&str; 8] = ["name", "id", "title", "description", "enabled", "primary", "secondary", "expires_at"];
/// So many different rests are remembered.
const MOST_ALIKE: usize = 1024;

/// Keys that say the same but for what is their own: it is read once.
#[derive(Default)]
pub(super) struct Alike(HashMap<Vec<u8>, Key>);

impl Alike {
    /// One that may do what this one may.
    pub(super) fn of(&mut self, site: &Site<'_>, view: &View<'_>, around: &Around<'_>) -> Key {
        let rest = view.written_but(&OWN);
        if let Some(key) = self.0.get(&rest) {
            return key.clone();
        }
        let said = site.mistakes().borrow().iter().count();
        let environment = around.names.environment(site, view, "environment");
        let environment = environment.map(|id| around.environments[usize::from(id.0)].uid);
        let state = State { environment, ..State::default() };
        let key = spec(site, view, around).key(KeyId(0), Uid([0; 16]), "", Origin::File, state);
        // What there is to say of one is to be said of each.
        if said == site.mistakes().borrow().iter().count() {
            if self.0.len() >= MOST_ALIKE {
                self.0.clear();
            }
            self.0.insert(rest, key.clone());
        }
        key
    }
}
