//! The limits of a snapshot, by the indices of its nouns. A reload takes over what did not change, so that nobody gets a
//! fresh burst by touching the file.

use super::addresses::AddressMeters;
use super::failed::FailedAuth;
use super::meter::Meter;
use super::slots::{Slots, Taken};
use crate::model::connection::ConnectionId;
use crate::model::key::KeyId;
use crate::model::quota::{Allowance, Refusal, Scope};
use crate::model::shelf::Shelf;
use crate::model::workflow::WorkflowId;
use crate::model::{Denial, Key, Quota, Snapshot, Uid};
use crate::policy::Permit;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// What was charged, from the narrowest to the widest.
pub type Allowances = SmallVec<[Allowance; 2]>;
/// Concurrency slots that a request holds.
pub type Held = SmallVec<[Taken; 2]>;

/// Every limit that is in force.
#[derive(Clone)]
pub struct Limits {
    /// By the key's number, for those that have a quota.
    keys: Shelf<Arc<Meter>>,
    fixed: Arc<Fixed>,
}

/// Those of everything that changes with the frame.
struct Fixed {
    workflows: Vec<Guarded>,
    connections: Vec<Guarded>,
    listeners: Vec<ListenerLimits>,
}

#[derive(Clone, Default)]
struct Guarded {
    meter: Option<Arc<Meter>>,
    slots: Option<Arc<Slots>>,
}

#[derive(Clone)]
struct ListenerLimits {
    meter: Option<Arc<Meter>>,
    addresses: Option<Arc<AddressMeters>>,
    failed: Arc<FailedAuth>,
}

impl Limits {
    /// The limits of `snapshot`; `before` are those of the one it replaces.
    pub fn build(snapshot: &Snapshot, before: Option<(&Snapshot, &Limits)>) -> Limits {
        let old = before.map(|(s, l)| Old::of(s, l)).unwrap_or_default();
        let fixed = Fixed {
            workflows: snapshot
                .workflows
                .iter()
                .map(|w| Guarded::build(w.quota, w.concurrency, old.workflows.get(&w.uid)))
                .collect(),
            connections: snapshot
                .connections
                .iter()
                .map(|c| Guarded::build(c.quota, c.concurrency, old.connections.get(&c.uid)))
                .collect(),
            listeners: snapshot
                .listeners
                .iter()
                .map(|l| ListenerLimits::build(l, old.listeners.get(&*l.address)))
                .collect(),
        };
        let mut keys = before.map(|(_, limits)| limits.keys.clone()).unwrap_or_default();
        let gone: Vec<u32> = keys.iter().map(|(id, _)| id).filter(|id| snapshot.key(KeyId(*id)).is_none()).collect();
        for id in gone {
            keys.set(id, None);
        }
        for key in snapshot.keys.iter() {
            set_meter(&mut keys, key.index, key.more().quota);
        }
        Limits { keys, fixed: Arc::new(fixed) }
    }

    /// The same but for these keys, each with its quota. A meter goes on if its quota is the same.
    pub fn with_keys(&self, changed: impl IntoIterator<Item = (KeyId, Option<Quota>)>) -> Limits {
        let mut limits = self.clone();
        for (id, quota) in changed {
            set_meter(&mut limits.keys, id, quota);
        }
        limits
    }

    /// Charges all rates that apply, from the narrowest to the widest. The first refusal stops; what was charged before
    /// stays charged (L1).
    pub fn charge(
        &self,
        permit: &Permit<'_>,
        workflow: Option<WorkflowId>,
        listener: usize,
        address: IpAddr,
    ) -> Result<Allowances, Refusal> {
        self.charge_all(permit.key(), workflow, Some(permit.connection().index), listener, address)
    }

    /// The same for what the gateway answers itself (H6): no connection, and perhaps no key.
    pub fn charge_answer(
        &self,
        key: Option<&Key>,
        workflow: WorkflowId,
        listener: usize,
        address: IpAddr,
    ) -> Result<Allowances, Refusal> {
        self.charge_all(key, Some(workflow), None, listener, address)
    }

    fn charge_all(
        &self,
        key: Option<&Key>,
        workflow: Option<WorkflowId>,
        connection: Option<ConnectionId>,
        listener: usize,
        address: IpAddr,
    ) -> Result<Allowances, Refusal> {
        let mut charged = Allowances::new();
        let fixed = &self.fixed;
        let listener = &fixed.listeners[listener];
        if let Some(m) = key.and_then(|key| self.keys.get(key.index.0)) {
            charged.push(m.charge(Scope::Key)?);
        }
        if let Some(m) = &listener.addresses {
            charged.push(m.charge(address, Scope::Address)?);
        }
        if let Some(m) = workflow.and_then(|w| fixed.workflows[w.0 as usize].meter.as_ref()) {
            charged.push(m.charge(Scope::Workflow)?);
        }
        if let Some(m) = connection.and_then(|c| fixed.connections[c.0 as usize].meter.as_ref()) {
            charged.push(m.charge(Scope::Connection)?);
        }
        if let Some(m) = &listener.meter {
            charged.push(m.charge(Scope::Listener)?);
        }
        Ok(charged)
    }

    /// Takes a slot of each concurrency cap that applies, or none.
    pub fn enter(&self, permit: &Permit<'_>, workflow: Option<WorkflowId>) -> Result<Held, Denial> {
        let mut held = Held::new();
        let caps = [
            (workflow.and_then(|w| self.fixed.workflows[w.0 as usize].slots.as_ref()), "workflow"),
            (self.fixed.connections[permit.connection().index.0 as usize].slots.as_ref(), "connection"),
        ];
        for (slots, what) in caps {
            if let Some(slots) = slots {
                held.push(slots.take().ok_or(Denial::Overloaded { what })?);
            }
        }
        Ok(held)
    }

    /// The failed authentications of a listener's callers.
    pub fn failed(&self, listener: usize) -> &FailedAuth {
        &self.fixed.listeners[listener].failed
    }

    /// Forgets addresses whose time is over; returns how many are remembered.
    pub fn sweep(&self, now: Instant) -> usize {
        let mut remembered = 0;
        for listener in &self.fixed.listeners {
            listener.failed.sweep(now);
            remembered += listener.failed.len();
            if let Some(addresses) = &listener.addresses {
                addresses.sweep();
                remembered += addresses.len();
            }
        }
        remembered
    }
}

fn set_meter(meters: &mut Shelf<Arc<Meter>>, id: KeyId, quota: Option<Quota>) {
    let old = meters.get(id.0);
    if old.map(|meter| meter.quota()) != quota {
        meters.set(id.0, quota.map(|quota| Arc::new(Meter::new(quota))));
    }
}

/// The same meter goes on if its quota is the same.
fn meter(quota: Option<Quota>, old: Option<Arc<Meter>>) -> Option<Arc<Meter>> {
    let quota = quota?;
    Some(old.filter(|m| m.quota() == quota).unwrap_or_else(|| Arc::new(Meter::new(quota))))
}

impl Guarded {
    fn build(quota: Option<Quota>, concurrency: Option<u32>, old: Option<&Guarded>) -> Guarded {
        let old = old.cloned().unwrap_or_default();
        let slots =
            concurrency.map(|max| old.slots.filter(|s| s.max() == max).unwrap_or_else(|| Arc::new(Slots::new(max))));
        Guarded { meter: meter(quota, old.meter), slots }
    }
}

impl ListenerLimits {
    fn build(door: &crate::model::Listener, old: Option<&ListenerLimits>) -> ListenerLimits {
        let addresses = door.address_quota.map(|quota| {
            let old = old.and_then(|o| o.addresses.clone()).filter(|a| a.quota() == quota);
            old.unwrap_or_else(|| Arc::new(AddressMeters::new(quota)))
        });
        let failed = old.map(|o| o.failed.clone()).filter(|f| f.quota() == door.failed_auth_quota);
        ListenerLimits {
            meter: meter(door.quota, old.and_then(|o| o.meter.clone())),
            addresses,
            failed: failed.unwrap_or_else(|| Arc::new(FailedAuth::new(door.failed_auth_quota))),
        }
    }
}

/// What the snapshot before had, by id: a new name is no new burst.
#[derive(Default)]
struct Old<'a> {
    workflows: HashMap<Uid, Guarded>,
    connections: HashMap<Uid, Guarded>,
    /// By address.
    listeners: HashMap<&'a str, ListenerLimits>,
}

impl<'a> Old<'a> {
    fn of(snapshot: &'a Snapshot, limits: &Limits) -> Old<'a> {
        let workflows = snapshot.workflows.iter().zip(&limits.fixed.workflows);
        let connections = snapshot.connections.iter().zip(&limits.fixed.connections);
        let listeners = snapshot.listeners.iter().zip(&limits.fixed.listeners);
        Old {
            workflows: workflows.map(|(w, g)| (w.uid, g.clone())).collect(),
            connections: connections.map(|(c, g)| (c.uid, g.clone())).collect(),
            listeners: listeners.map(|(l, g)| (&*l.address, g.clone())).collect(),
        }
    }
}
