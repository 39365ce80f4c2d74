//! Floor 9: the composition root: a [`Gateway`] is everything that runs, put together.

pub mod doors;
pub mod ending;
pub mod founding;
pub mod gateway;
pub mod held;
mod in_force;
mod journeys;
mod keeping;
pub mod notify;
pub mod reload;
pub mod runtime;
pub mod start;
#[cfg(test)]
mod usage_tests;

pub use gateway::Gateway;
pub use journeys::explain;
