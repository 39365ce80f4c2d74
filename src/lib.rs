//! Keystile: the gateway that keeps API keys where they belong.
//!
//! ARCHITECTURE.md is the map. A module imports only from floors below its own; `tests/layers.rs` holds that.

pub mod admin;
pub mod app;
pub mod assembly;
pub mod cli;
pub mod config;
pub mod connector;
pub mod control;
pub mod egress;
pub mod http;
#[cfg(any(test, fuzzing))]
pub mod invariants;
pub mod limit;
pub mod live;
pub mod model;
pub mod net;
pub mod policy;
pub mod proxy;
pub mod serving;
pub mod store;
pub mod telemetry;
pub mod vault;
