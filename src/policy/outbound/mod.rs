//! The decisions of the outbound door: which connection is meant, who asks, whether it may be used so, and what is sent.

pub mod allow;
pub mod authorise;
pub mod called;
pub mod guard;
pub mod identify;
pub mod rewrite;
pub mod slots;
pub mod verification;

pub use authorise::authorise;
pub use called::{Called, called};
pub use guard::guard;
pub use identify::{Claims, identify};
pub use verification::{Trial, Verification};

#[cfg(test)]
mod properties;
