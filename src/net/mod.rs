//! Floor 3: sockets: who may knock, how long they may take, and the way out.

pub mod accepted;
pub mod certificate;
pub mod clock;
pub mod descriptors;
pub mod dial;
pub mod flood;
pub mod frames;
pub mod handover;
pub mod inherited;
pub mod listen;
pub mod prior_knowledge;
pub mod proxy_protocol;
pub mod relay;
#[cfg(any(test, fuzzing))]
pub mod scripted;
pub mod stop;
pub mod stream;
pub mod tls;
pub mod unix_socket;
