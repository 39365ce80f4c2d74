//! The store as those above use it, over a real file.

mod audit;
mod changes;
mod killed;
mod reads;
mod rows;
mod starting;
mod support;
mod usage;
