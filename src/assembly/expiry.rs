//! When the certificates of the configuration end.

use super::Site;
use crate::config::At;
use crate::model::certificate::{Expiry, Use};
use crate::net::certificate::Dated;

impl Site<'_> {
    /// Notes when certificates end. Too early or too late is no reason to refuse them: whoever shows one that has expired
    /// is told by his callers, and a gateway that does not start helps neither.
    pub(super) fn dated(&self, at: At<'_>, used: Use, owner: &str, certificates: &[Dated]) {
        for Dated { file, name, not_after } in certificates.iter().cloned() {
            let expiry = Expiry { used, owner: owner.into(), name, file, not_after };
            if let Some(told) = expiry.told(self.now) {
                self.warning(at, told, "renew it: whoever verifies it refuses it then");
            }
            self.expiries.borrow_mut().push(expiry);
        }
    }
}
