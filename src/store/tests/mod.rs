//! The store as those above use it, over a real file.

mod changes;
mod starting;
mod support;
