//! Floor 8: the composition root: a [`Gateway`] is everything that runs, put together.

pub mod gateway;
pub mod reload;
pub mod runtime;

pub use gateway::Gateway;
