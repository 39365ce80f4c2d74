//! Production, Test, …: one of them is the default.

use super::uid::Uid;
use http::HeaderValue;
use std::sync::Arc;

/// Index of an environment in its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(pub u16);

/// An environment. Names are case-sensitive (E3).
#[derive(Debug)]
pub struct Environment {
    pub id: EnvironmentId,
    pub uid: Uid,
    pub name: Arc<str>,
    /// `X-Keystile-Environment`, ready to send.
    pub header: HeaderValue,
}
