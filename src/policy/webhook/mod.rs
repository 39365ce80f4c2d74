//! H1–H3: is a delivery signed by who may sign it, and now? First what its fields say ([`Claim`]), before a byte of the
//! body is read; then, over the raw body, whether it is true ([`Verified`]).

mod claim;
mod fields;
mod form;
pub mod handshake;
mod message;
mod sign;
mod timestamp;
mod url;
mod verified;

pub use claim::{Addressed, Claim};
pub use fields::signed_at;
pub use sign::{Signed, Signer, Unsent, sign};
pub use verified::{DeliveryId, Verified};

#[cfg(any(test, fuzzing))]
pub mod fixture;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
