//! What URLs are signed with (H7): from the store's vault, or without a store from the master key alone.

use super::{Settings, Site};
use crate::config::View;
use crate::model::UrlKey;
use crate::vault::{KeyError, MasterKey, MasterKeySource, SIGNED_URLS, VaultError};
use std::sync::Arc;

/// None: there is no master key, or one that is kept by somebody else, from which nothing can be derived.
pub fn of(site: &Site<'_>, root: &View<'_>, settings: &Settings) -> Option<Arc<UrlKey>> {
    if let Some(stores) = site.stores_url_key() {
        return Some(stores);
    }
    // One that is not open yet: what it has is known at the next start.
    if settings.store.is_some() {
        return None;
    }
    let at = root.at("master_key");
    let source = match MasterKeySource::parse(settings.master_key.as_deref()?, site.base) {
        Ok(source) => source,
        Err(wrong) => {
            site.error(at, wrong.reason, wrong.remedy);
            return None;
        }
    };
    if let Some(path) = source.path() {
        site.path(path);
    }
    match source {
        MasterKeySource::Transit(_) => None,
        _ => match MasterKey::load(&source) {
            Ok(key) => {
                if let Some(notice) = key.notice() {
                    site.warning(at, notice, "chmod 600 it, unless that group is meant");
                }
                key.derive(SIGNED_URLS).map(|root| Arc::new(UrlKey::new(&root)))
            }
            Err(error) => {
                site.error(at, error.to_string(), remedy(&error));
                None
            }
        },
    }
}

/// Without a store nothing is sealed, and a new one may be made.
fn remedy(error: &VaultError) -> String {
    match error {
        VaultError::NoMasterKey { reason: KeyError::Missing, .. } => {
            "put it back from where you keep its copy, or make \
            one: keystile url make-key FILE; URLs that were signed with another end"
                .to_owned()
        }
        error => error.remedy(),
    }
}
