//! Floor 1: the nouns. No I/O, no clock, no randomness of its own; everything above speaks in these.

pub mod certificate;
pub mod connection;
pub mod denial;
pub mod directory;
pub mod environment;
pub mod flood;
pub mod key;
pub mod listener;
pub mod name;
pub mod quota;
pub mod resource;
pub mod routes;
pub mod scrub;
pub mod secret;
pub mod snapshot;
pub mod template;
mod texts;
pub mod token;
pub mod uid;
pub mod workflow;

pub use certificate::ClientCertificate;
pub use connection::Connection;
pub use denial::Denial;
pub use environment::{Environment, EnvironmentId};
pub use key::{Key, Slot};
pub use listener::{Door, Listener};
pub use quota::Quota;
pub use resource::Resource;
pub use secret::Secret;
pub use snapshot::Snapshot;
pub use token::Digest;
pub use uid::Uid;
pub use workflow::Workflow;
