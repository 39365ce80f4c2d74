//! One line of the operational log per call: who did what to which resource, and how it ended. Never a body.

use super::problem::Reply;
use super::routes::Found;
use crate::http::reply::ERROR;
use http::Method;
use std::time::Instant;

/// A call under way. Its line is written when it is dropped, so that a caller who hangs up is told of as well.
pub struct Line {
    began: Instant,
    request_id: String,
    method: Method,
    /// Names of resources stand in it, and nothing else that came from outside.
    path: String,
    actor: String,
    status: u16,
    code: String,
}

/// What is logged of a caller who left before the answer was there; as in the access log.
const LEFT: u16 = 499;

impl Line {
    pub fn begin(request_id: &str, method: &Method) -> Line {
        let (request_id, method) = (request_id.to_owned(), method.clone());
        Line {
            began: Instant::now(),
            request_id,
            method,
            path: "-".into(),
            actor: String::new(),
            status: LEFT,
            code: String::new(),
        }
    }

    pub fn found(&mut self, found: &Found<'_>) {
        self.path = found.path();
    }

    pub fn actor(&mut self, name: &str) {
        name.clone_into(&mut self.actor);
    }

    pub fn answered(&mut self, reply: &Reply) {
        self.status = reply.status().as_u16();
        let code = reply.headers().get(ERROR).and_then(|code| code.to_str().ok());
        code.unwrap_or_default().clone_into(&mut self.code);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        tracing::info!(
            target: "admin",
            request_id = self.request_id,
            method = self.method.as_str(),
            path = self.path,
            actor = self.actor,
            status = self.status,
            code = self.code,
            duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "admin call",
        );
    }
}
