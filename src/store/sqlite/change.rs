//! One change, within its savepoint.

use super::errors::Failure;
use super::{audit, keys, replays, resources, secret_uses, secrets, usage};
use crate::model::resource::Resource;
use crate::model::uid::Uid;
use crate::store::chain::{Chain, Head};
use crate::store::{Change, Guard, StoreError, Write};
use rusqlite::Connection;

/// Does all of it, and says where the audit ends then.
pub(super) fn perform<E>(
    connection: &Connection,
    chain: &Chain,
    head: Head,
    change: &Change<E>,
) -> Result<Head, Failure> {
    // First: what is done again is told so, and not that its name is taken.
    if let Some(replay) = &change.replay {
        replays::remember(connection, replay)?;
    }
    for guard in &change.guards {
        hold(connection, guard)?;
    }
    for write in &change.writes {
        perform_one(connection, write)?;
    }
    for write in &change.writes {
        if let Some(uid) = touched(write)
            && !resources::has_its_secret(connection, uid)?
        {
            return Err(Failure::Change(StoreError::Conflict));
        }
    }
    let mut head = head;
    for entry in &change.audit {
        head = audit::append(connection, chain, &head, entry)?;
    }
    Ok(head)
}

fn hold(connection: &Connection, guard: &Guard) -> Result<(), Failure> {
    let Guard::Is { uid, version } = guard;
    let found = match resources::version(connection, *uid)? {
        None => keys::version(connection, *uid)?,
        found => found,
    };
    if found == Some(*version) { Ok(()) } else { Err(Failure::Change(StoreError::Conflict)) }
}

fn perform_one(connection: &Connection, write: &Write) -> Result<(), Failure> {
    match write {
        Write::AddKey(row) => keys::add(connection, row),
        Write::SetKey { expected, row } => keys::set(connection, *expected, row),
        Write::DropKey { uid, expected } => {
            keys::drop(connection, *uid, *expected)?;
            Ok(usage::forget(connection, Resource::Key, *uid)?)
        }
        Write::AddResource(row) => resources::add(connection, row),
        Write::SetResource { expected, row } => resources::set(connection, *expected, row),
        Write::DropResource { uid, expected } => {
            let kind = resources::drop(connection, *uid, *expected)?;
            secret_uses::forget_all(connection, *uid)?;
            Ok(usage::forget(connection, kind, *uid)?)
        }
        Write::AddSecret(sealed) => secrets::add(connection, sealed),
        Write::PurgeSecrets { resource, keep } => {
            secrets::purge(connection, *resource, *keep)?;
            Ok(secret_uses::forget_all(connection, *resource)?)
        }
        Write::DropSecret { resource, version, uid } => {
            secrets::drop(connection, *resource, *version)?;
            Ok(secret_uses::forget(connection, *uid)?)
        }
    }
}

/// Whose secret may be another one after this.
fn touched(write: &Write) -> Option<Uid> {
    match write {
        Write::AddResource(row) | Write::SetResource { row, .. } => Some(row.uid),
        Write::PurgeSecrets { resource, .. } | Write::DropSecret { resource, .. } => Some(*resource),
        _ => None,
    }
}
