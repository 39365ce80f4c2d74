//! H1–H3: is a delivery signed by who may sign it, and now? First what its fields say ([`Claim`]), before a byte of the
//! body is read; then, over the raw body, whether it is true ([`Verified`]).

mod claim;
pub mod handshake;
mod verified;

pub use claim::{Addressed, Claim};
pub use verified::{DeliveryId, Verified};
