//! Floor 5: what the data plane reads: a snapshot with the state that goes with it. Published whole; a request takes
//! hold of one and keeps it to its end.

use crate::limit::Limits;
use crate::model::key::KeyId;
use crate::model::keys::Token;
use crate::model::{Digest, Key, Snapshot, Uid};
use crate::net::tls::Tls;
use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// One generation of what is in force. A copy is cheap: a key that changes makes one, a thousand times a minute.
#[derive(Clone)]
pub struct Live {
    pub snapshot: Snapshot,
    pub limits: Limits,
    /// How each connection's upstream is verified, by the connection's index; `None` where it speaks no TLS.
    pub trust: Arc<Vec<Option<Tls<ClientConfig>>>>,
    /// What each listener shows its callers, by the listener's index; `None` where it speaks no TLS.
    pub certificates: Arc<Vec<Option<Tls<ServerConfig>>>>,
    /// Counts what was put in force as a whole, from 1: reloads, and changes of anything but keys.
    pub generation: u64,
}

/// A key of the store that is other than it was.
#[derive(Debug)]
pub struct KeyChange {
    /// Every token that it had.
    pub before: Vec<Digest>,
    /// It was there without one: then it is looked for by its id, among all.
    pub tokenless: Option<Uid>,
    /// What it is now, with its tokens, for whatever number it has or gets; none: it is gone.
    pub after: Option<(KeyParts, Vec<Token>)>,
}

/// A key without its number.
pub struct KeyParts(pub Box<dyn Fn(KeyId) -> Key + Send>);

impl std::fmt::Debug for KeyParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0(KeyId(0)).fmt(f)
    }
}

/// Where the generation in force is found. Replaced by a reload, read by every core.
pub type Shared = Arc<ArcSwap<Live>>;

impl Live {
    /// The same with other keys, in the order of the changes.
    pub fn with_keys(&self, changes: Vec<KeyChange>) -> Live {
        let mut live = self.clone();
        let keys = &mut live.snapshot.keys;
        let mut quotas = Vec::with_capacity(changes.len());
        for KeyChange { before, tokenless, after } in changes {
            let by_token = before.iter().find_map(|digest| keys.find(digest)).map(|(key, _)| key);
            let by_id = |uid| keys.iter().find(|key| key.uid == uid);
            let known = by_token.or_else(|| tokenless.and_then(by_id)).map(|key| key.index);
            match (known, after) {
                (Some(id), None) => {
                    keys.remove(id, &before);
                    quotas.push((id, None));
                }
                (None, None) => {}
                (known, Some((parts, tokens))) => {
                    let id = known.unwrap_or_else(|| keys.next_id());
                    let key = parts.0(id);
                    quotas.push((id, key.more().quota));
                    keys.put(key, &before, &tokens);
                }
            }
        }
        live.limits = live.limits.with_keys(quotas);
        live
    }

    /// The listener that was configured with this address, if it still is.
    pub fn listener(&self, address: &str) -> Option<usize> {
        self.snapshot.listeners.iter().position(|l| &*l.address == address)
    }
}

/// A generation as one core holds it, behind a count that only this core touches: a shared one would travel between the
/// cores' caches with every request.
#[derive(Clone)]
pub struct Local(Rc<Generation>);

struct Generation(Arc<Live>);

impl Local {
    pub fn new(live: Arc<Live>) -> Local {
        Local(Rc::new(Generation(live)))
    }

    /// Whether this is that generation.
    pub fn is(&self, live: &Arc<Live>) -> bool {
        Arc::ptr_eq(&self.0.0, live)
    }
}

impl Deref for Local {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.0.0
    }
}
