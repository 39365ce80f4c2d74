//! Keystile: the gateway that keeps API keys where they belong.

pub mod config;
