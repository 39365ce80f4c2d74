//! A new store, with the key of its first administrator.

use super::audit::Told;
use super::keys::{new_uid, rows, shown, tokens};
use super::opening::AUDIT;
use super::state::{Effect, Outlet, apply};
use crate::assembly::keys::{Granted, Spec};
use crate::model::Resource;
use crate::model::key::ScopeName;
use crate::store::{Access, Change, Database, KeyRow, Store, Write};
use crate::telemetry::timestamp::now_ms;
use crate::vault::{MasterKey, Vault};
use anyhow::Context as _;
use serde_json::Value;
use std::path::Path;
use zeroize::Zeroizing;

/// The first key's name.
pub const FIRST: &str = "admin";

/// Makes the database at `path`; answers the first administrator's token, which is kept nowhere.
pub async fn found(path: &Path, master: MasterKey) -> anyhow::Result<Zeroizing<String>> {
    let (vault, record) = Vault::create(master).await.map_err(|e| anyhow::anyhow!("{e}\n  {}", e.remedy()))?;
    let database = Database::create(path, &record)?;
    let store: Store<Effect> = database.open(vault.derive(AUDIT), apply(Outlet::default()))?;
    let made = tokens::draw().map_err(|refusal| anyhow::anyhow!(refusal.detail))?;
    let (digest, token) = made.into_parts();
    let row = first(digest)?;
    let told = Told::by_itself("store.found", row.created_at).of(Resource::Key, &row.name, row.uid);
    let after = shown::standing(&row);
    let change = Change {
        guards: Vec::new(),
        audit: vec![told.change(Value::Null, after)],
        effects: vec![Effect::Key(rows::change(None, Some(&row))?)],
        writes: vec![Write::AddKey(Box::new(row))],
        replay: None,
    };
    store.commit(change).await.context("cannot write the first key")?;
    store.close().await;
    token.context("no token was drawn")
}

/// It may do everything, and hand out everything.
fn first(digest: crate::model::Digest) -> anyhow::Result<KeyRow> {
    let now = now_ms();
    let spec = Spec {
        title: Some("The first administrator".to_owned()),
        workflows: Granted::ALL,
        connections: Granted::ALL,
        scopes: ScopeName::ALL.to_vec(),
        ..Spec::default()
    };
    Ok(KeyRow {
        uid: new_uid(now),
        name: FIRST.to_owned(),
        document: serde_json::to_string(&spec)?,
        enabled: true,
        revoked_at: None,
        expires_at: None,
        environment: None,
        primary: Some(digest),
        secondary: None,
        graced: Vec::new(),
        primary_at: Some(now),
        secondary_at: None,
        owner: FIRST.to_owned(),
        access: Access::default(),
        version: 1,
        created_at: now,
        updated_at: now,
    })
}
