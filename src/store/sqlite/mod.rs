//! The store in SQLite. All SQL is here, a file for each thing that is kept; nothing of SQLite is seen outside.

mod audit;
mod change;
mod connect;
mod counts;
mod database;
mod errors;
mod keys;
mod lock;
mod migrate;
mod place;
mod readers;
mod replays;
mod resources;
mod secret_uses;
mod secrets;
mod store;
mod usage;
mod values;
mod writer;

pub use database::Database;
pub use store::{Apply, Store};
