//! What an upstream says before its reply (103 Early Hints, 102 Processing), on its way to a caller of either protocol.

use super::{h1, h2};
use crate::model::Fields;
use http::StatusCode;

/// Whom to tell.
pub enum Early {
    H1(h1::incoming::Early),
    H2(h2::server::incoming::Early),
}

impl Early {
    /// Says it, unless the caller is slow to take what was said before: such words may be lost.
    pub fn say(&self, status: StatusCode, fields: &Fields) {
        match self {
            Early::H1(caller) => caller.say(status, fields),
            Early::H2(caller) => caller.say(status, fields),
        }
    }
}
