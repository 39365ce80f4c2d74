//! The start: from a database and a master key to what is put in force. A wrong master key is found before anything is
//! written (T1, hazard 31).

use super::keys::rows;
use super::resources::State;
use super::state::{Effect, Outlet, Stored, apply};
use crate::assembly::{self, Document, Held, Holdings, Signing};
use crate::model::{Key, Keys, Resource, Uid, UrlKey};
use crate::store::{Database, ResourceRow, Store};
use crate::vault::{Binding, MasterKey, MasterKeySource, SIGNED_URLS, Vault};
use anyhow::Context as _;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What the audit's key is derived for.
pub const AUDIT: &str = "audit chain";

/// So many documents of keys are remembered while all keys are read.
const MOST_ALIKE: usize = 1024;

/// What a store had.
pub struct Opened {
    pub stored: Stored,
    pub outlet: Outlet,
    pub holdings: Holdings,
    pub keys: Keys,
}

/// Opens what `settings` name. Waits up to `patience` for a gateway that is about to let go of the database.
pub async fn open(settings: &assembly::Store, base: &Path, patience: Duration) -> anyhow::Result<Opened> {
    let database = Database::find(&settings.sqlite, patience)?;
    let vault = Vault::unlock(master_key(settings, base)?, database.keyring()).await.map_err(told)?;
    let outlet = Outlet::default();
    let store = database.open(vault.derive(AUDIT), apply(outlet.clone()))?;
    let mut holdings = holdings(&store, &vault).await?;
    holdings.url_key = Some(Arc::new(UrlKey::new(&vault.derive(SIGNED_URLS))));
    let keys = keys(&store)?;
    let stored = Stored { store, vault, settings: settings.clone() };
    Ok(Opened { stored, outlet, holdings, keys })
}

/// The master key that `settings` name, fetched.
pub fn master_key(settings: &assembly::Store, base: &Path) -> anyhow::Result<MasterKey> {
    let source = MasterKeySource::parse(&settings.master_key, base)
        .map_err(|wrong| anyhow::anyhow!("master_key: {}\n    {}", wrong.reason, wrong.remedy))?;
    let key = MasterKey::load(&source).map_err(told)?;
    if let Some(notice) = key.notice() {
        tracing::warn!("{notice}");
    }
    Ok(key)
}

fn told(error: crate::vault::VaultError) -> anyhow::Error {
    anyhow::anyhow!("{error}\n    {}", error.remedy())
}

/// Keys as the data plane reads them.
fn keys(store: &Store<Effect>) -> anyhow::Result<Keys> {
    let mut keys = Keys::default();
    let mut broken = Vec::new();
    // A million keys have few different documents: each is read once.
    let mut alike: HashMap<String, Key> = HashMap::new();
    store
        .load_keys(|row| {
            if !alike.contains_key(&row.document) {
                let Ok(spec) = rows::spec(&row) else {
                    // It permits nothing, which is said below.
                    return broken.push(row.name);
                };
                if alike.len() >= MOST_ALIKE {
                    alike.clear();
                }
                alike.insert(row.document.clone(), rows::any(&spec));
            }
            if let Some(any) = alike.get(&row.document) {
                keys.put(rows::like(any, &row, keys.next_id()), &[], &rows::tokens(&row));
            }
        })
        .context("cannot read the keys")?;
    if let Some(name) = broken.first() {
        anyhow::bail!("{} keys cannot be read, the first is {name}: restore a backup", broken.len());
    }
    Ok(keys)
}

/// Everything else, with its secrets opened.
async fn holdings(store: &Store<Effect>, vault: &Vault) -> anyhow::Result<Holdings> {
    let mut holdings = Holdings::default();
    let mut signing = signing(store, vault).await?;
    for kind in [Resource::Environment, Resource::Connection, Resource::Workflow] {
        let rows = store.resources(kind).await.context("cannot read the store")?;
        let mut secrets = secrets(store, vault, &rows).await?;
        for (row, secret) in rows.iter().zip(secrets.drain(..)) {
            let document = document(row).with_context(|| format!("the {kind} {} cannot be read", row.name))?;
            let signing = signing.remove(&row.uid).unwrap_or_default();
            holdings.documents.push(document.with_secret(secret).with_signing(signing));
        }
    }
    Ok(holdings)
}

/// A row as it is assembled.
pub fn document(row: &ResourceRow) -> anyhow::Result<Document> {
    let fields = serde_json::from_str(&row.document)?;
    Document::read(row.kind, row.uid, &row.name, &fields).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))
}

/// H1: the secrets that workflows' senders sign with, by workflow. One that does not open is told, and the others count.
async fn signing(store: &Store<Effect>, vault: &Vault) -> anyhow::Result<HashMap<Uid, Vec<Arc<Signing>>>> {
    let sealed = store.secrets_of(Resource::Workflow).await.context("cannot read the secrets")?;
    let bound: Vec<(&[u8], Binding)> = sealed.iter().map(|kept| (&kept.sealed[..], binding(kept))).collect();
    let opened = vault.open_many(&bound).await.map_err(told)?;
    let mut found: HashMap<Uid, Vec<Arc<Signing>>> = HashMap::new();
    for (kept, opened) in sealed.iter().zip(opened) {
        let number = kept.version;
        match opened {
            Ok(value) => found.entry(kept.resource).or_default().push(Arc::new(Signing { number, value })),
            Err(error) => tracing::error!(workflow = %kept.resource, number, %error, "its secret does not open"),
        }
    }
    Ok(found)
}

type Secrets = Vec<Option<Arc<Held>>>;

/// The secrets in force of these rows, in their order. One that does not open is told, and its connection goes without: the
/// others must not suffer for it.
async fn secrets(store: &Store<Effect>, vault: &Vault, rows: &[ResourceRow]) -> anyhow::Result<Secrets> {
    let mut found: Secrets = Vec::new();
    let mut sealed = Vec::new();
    for row in rows {
        let version = row.secret_version.filter(|_| State::of(row).status != State::NEEDS_SECRET);
        found.push(None);
        let Some(version) = version else { continue };
        match store.secret(row.uid, version).await.context("cannot read the secrets")? {
            Some(kept) => sealed.push((found.len() - 1, kept)),
            None => tracing::error!(connection = %row.name, version, "its secret is not in the store"),
        }
    }
    let bound: Vec<(&[u8], Binding)> = sealed.iter().map(|(_, kept)| (&kept.sealed[..], binding(kept))).collect();
    let opened = vault.open_many(&bound).await.map_err(told)?;
    for ((at, kept), opened) in sealed.iter().zip(opened) {
        match opened {
            Ok(value) => found[*at] = Some(held(value, kept.destination)),
            Err(error) => tracing::error!(connection = %rows[*at].name, %error, "its secret does not open"),
        }
    }
    Ok(found)
}

pub fn held(value: Zeroizing<Vec<u8>>, destination: [u8; 32]) -> Arc<Held> {
    Arc::new(Held { value, sealed_to: Some(destination) })
}

pub fn binding(kept: &crate::store::Sealed) -> Binding {
    Binding { record: kept.resource, version: kept.version, destination: kept.destination }
}
