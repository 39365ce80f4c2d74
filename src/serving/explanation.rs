//! T7: what `explain` says, of either door.

use crate::model::{ClientCertificate, Denial};
use http::request::Parts;
use serde::Serialize;
use std::net::IpAddr;

/// What is asked about.
pub struct Question {
    pub parts: Parts,
    /// A key by its name, instead of a credential in the request.
    pub key: Option<String>,
    pub peer: IpAddr,
    /// The certificate that the caller shows.
    pub certificate: Option<ClientCertificate>,
    /// Unix milliseconds.
    pub now: i64,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// `permitted` or `refused`.
    pub verdict: &'static str,
    /// The reason code of a refusal.
    pub code: Option<&'static str>,
    pub status: Option<u16>,
    pub hint: Option<&'static str>,
    pub steps: Vec<Step>,
}

/// One decision.
#[derive(Debug, Serialize)]
pub struct Step {
    pub step: &'static str,
    pub ok: bool,
    pub finding: String,
}

impl Explanation {
    /// What `walk` finds, step by step.
    pub fn of(walk: impl FnOnce(&mut Steps) -> Result<(), Denial>) -> Explanation {
        let mut steps = Steps::default();
        let denial = walk(&mut steps).err();
        Explanation {
            verdict: if denial.is_none() { "permitted" } else { "refused" },
            code: denial.as_ref().map(Denial::code),
            status: denial.as_ref().map(|denial| denial.status().as_u16()),
            hint: denial.as_ref().map(Denial::hint),
            steps: steps.0,
        }
    }
}

/// The decisions so far.
#[derive(Default)]
pub struct Steps(Vec<Step>);

impl Steps {
    /// Notes what was found.
    pub fn ok(&mut self, step: &'static str, finding: impl Into<String>) {
        self.0.push(Step { step, ok: true, finding: finding.into() });
    }

    /// Notes a refusal and passes it on.
    pub fn no<T>(&mut self, step: &'static str, denial: Denial) -> Result<T, Denial> {
        let cause = denial.cause().filter(|c| *c != denial.detail());
        let finding = match cause {
            Some(cause) => format!("{}: {} ({cause})", denial.code(), denial.detail()),
            None => format!("{}: {}", denial.code(), denial.detail()),
        };
        self.0.push(Step { step, ok: false, finding });
        Err(denial)
    }
}
