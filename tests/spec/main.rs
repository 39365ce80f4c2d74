//! Keystile's promises, held against the real binary over real sockets.

mod cli;
