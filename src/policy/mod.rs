//! Floor 2: the decisions. Synchronous and total; facts, snapshot and `now` come in, a [`Permit`] or a denial goes out.
//! No tokio, hyper, SQL, clock, randomness or logging.

pub mod address;
pub mod administer;
pub mod authenticate;
pub mod authorise;
pub mod environment;
pub mod forwarded;
pub mod headers;
pub mod identify;
pub mod outbound;
pub mod path;
pub mod permit;
pub mod query;
pub mod rewrite;
pub mod signed_url;
pub mod standing;
pub mod trailers;
pub mod upgrade;
pub mod via;
pub mod webhook;

pub use authenticate::{Authenticated, authenticate};
pub use authorise::{Invocation, Origin, Proven, authorise};
pub use identify::{Credential, Presented, credential, identify};
pub use permit::{Permit, Principal};

#[cfg(any(test, fuzzing))]
pub mod fixture;
#[cfg(test)]
mod properties;
