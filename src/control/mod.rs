//! Floor 7: the use cases: what people do with keys, connections, workflows and environments while traffic flows. API,
//! CLI and console are thin over this.
//!
//! Each use case asks who may do it, validates, seals, commits one transaction with its audit row, and publishes, in that
//! order; nothing is in force that is not stored, and nothing stored that was not checked.

mod access;
mod audit;
pub(crate) mod body;
mod explain;
mod facade;
pub mod founding;
mod history;
mod keys;
pub mod opening;
mod refusal;
mod replay;
mod resources;
mod secrets;
mod signing;
mod state;
mod status;
mod totals;
pub(crate) mod transfer;
mod usage;

pub use crate::store::AuditFilter;
pub use access::Actor;
pub use facade::{Created, Deletion, Listing, NewSigningSecret, Page, Precondition, SecretSet, Shown};
pub use keys::urls::{UrlOrder, no_url_key, signed_url};
pub use refusal::{Refusal, Wrong};
pub use state::{Control, Estate, InForce, NotReloaded, Outlet, Stored, Verifier};

#[cfg(test)]
mod tests;
