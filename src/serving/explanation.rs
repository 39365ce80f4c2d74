//! T7: what `explain` says, of either door.

use crate::model::denial::BadCertificate;
use crate::model::{ClientCertificate, Denial, Key, Listener, Snapshot, Workflow};
use crate::model::{Fields, RequestHead};
use crate::policy::Permit;
use bytes::Bytes;
use http::header::HeaderName;
use serde::Serialize;
use std::borrow::Cow;
use std::net::IpAddr;

/// What is asked about.
pub struct Question {
    pub parts: RequestHead,
    /// A key by its name, instead of a credential in the request.
    pub key: Option<String>,
    pub peer: IpAddr,
    /// The certificate that the caller shows.
    pub certificate: Option<ClientCertificate>,
    /// H2: what a signature is held against; none given, as none sent.
    pub body: Option<Bytes>,
    /// Unix milliseconds.
    pub now: i64,
}

/// Whoever answers: the explanation of the door that the listener belongs to.
pub type Explainer = fn(&Snapshot, &Listener, Question) -> Explanation;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// `permitted`, `answered` by the gateway itself, or `refused`.
    pub verdict: &'static str,
    /// The reason code of a refusal.
    pub code: Option<&'static str>,
    pub status: Option<u16>,
    pub hint: Option<Cow<'static, str>>,
    pub steps: Vec<Step>,
    /// What would be sent, line by line, with `{secret}` where one goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<String>,
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
            verdict: match denial {
                Some(_) => "refused",
                None if steps.answered => "answered",
                None => "permitted",
            },
            code: denial.as_ref().map(Denial::code),
            status: denial.as_ref().map(|denial| denial.status().as_u16()),
            hint: denial.as_ref().map(Denial::hint),
            steps: steps.taken,
            request: steps.request,
        }
    }
}

/// The decisions so far.
#[derive(Default)]
pub struct Steps {
    taken: Vec<Step>,
    /// The gateway answers by itself.
    answered: bool,
    /// What would be sent.
    pub request: Vec<String>,
}

impl Steps {
    /// Notes what was found.
    pub fn ok(&mut self, step: &'static str, finding: impl Into<String>) {
        self.taken.push(Step { step, ok: true, finding: finding.into() });
    }

    /// Notes that the gateway answers, and why.
    pub fn answered(&mut self, step: &'static str, finding: impl Into<String>) {
        self.answered = true;
        self.ok(step, finding);
    }

    /// Notes a refusal and passes it on.
    pub fn no<T>(&mut self, step: &'static str, denial: Denial) -> Result<T, Denial> {
        let cause = denial.cause().filter(|c| *c != denial.detail());
        let finding = match cause {
            Some(cause) => format!("{}: {} ({cause})", denial.code(), denial.detail()),
            None => format!("{}: {}", denial.code(), denial.detail()),
        };
        self.taken.push(Step { step, ok: false, finding });
        Err(denial)
    }

    /// K13: the address, and the certificate where one is asked for.
    pub fn came_from_there(&mut self, key: &Key) {
        let anywhere = key.more().allow_addresses.is_none();
        self.ok(
            "address",
            if anywhere { "the key may be used from anywhere" } else { "within the key's allow_addresses" },
        );
        if key.more().client_certificates.is_some() {
            let finding = "the key accepts it; that the listener's client_ca vouches for it is taken as given";
            self.ok("certificate", finding);
        }
    }

    /// Why there was no certificate to judge, if that is what was missing.
    pub fn certificate_missing(&mut self, denial: &Denial, listener: &Listener) {
        if *denial != Denial::ClientCertificateRequired(BadCertificate::Absent) {
            return;
        }
        let finding = match listener.callers {
            None => format!("listener {} has no client_ca and asks for none", listener.address),
            Some(_) => "the key needs one; --client-cert FILE says which the caller shows".to_owned(),
        };
        self.ok("certificate", finding);
    }

    /// Limits are named, not charged.
    pub fn limits(&mut self, permit: &Permit<'_>, workflow: Option<&Workflow>, listener: &Listener) {
        let rates = [
            ("key", permit.key().and_then(|key| key.more().quota)),
            ("address", listener.address_quota),
            ("workflow", workflow.and_then(|w| w.quota)),
            ("connection", permit.connection().quota),
            ("listener", listener.quota),
        ];
        let charged = rates
            .into_iter()
            .filter_map(|(name, quota)| quota.map(|q| format!("{name} {} in {:?} burst {}", q.count, q.per, q.burst)));
        let caps =
            [("workflow", workflow.and_then(|w| w.concurrency)), ("connection", permit.connection().concurrency)];
        let caps = caps.into_iter().filter_map(|(name, cap)| cap.map(|c| format!("{name} at most {c} at once")));
        let all: Vec<String> = charged.chain(caps).collect();
        let finding =
            if all.is_empty() { "none apply".to_owned() } else { format!("would charge: {}", all.join("; ")) };
        self.ok("limits", finding);
    }

    /// What of the caller's fields goes no further.
    pub fn stripped(&mut self, before: &Fields, after: &Fields) {
        let removed: Vec<&str> = before.keys().filter(|n| !after.contains_key(*n)).map(HeaderName::as_str).collect();
        if !removed.is_empty() {
            self.ok("strip", format!("the caller's {} would be removed", removed.join(", ")));
        }
    }

    /// Where the secret goes.
    pub fn injected(&mut self, permit: &Permit<'_>) {
        let injection = &permit.connection().injection;
        let headers = injection.headers.iter().map(|(name, _)| format!("header {name}: {{secret}}"));
        let query = injection.query.iter().map(|(name, _)| format!("query {name}={{secret}}"));
        let path = injection.path.iter().map(|_| "path prefix {secret}".to_owned());
        let slots: Vec<String> = headers.chain(query).chain(path).collect();
        let slots =
            if slots.is_empty() { "nothing: the connection has no secret".to_owned() } else { slots.join(", ") };
        self.ok("inject", format!("connection {}: {slots}", permit.connection().name));
    }
}

/// A key that is alive.
pub fn describe_key(snapshot: &Snapshot, key: &Key) -> String {
    let fixed = key.environment.and_then(|uid| snapshot.environment_of(uid));
    let fixed = fixed.map(|environment| format!(", fixed to {}", environment.name));
    format!("{}{}, enabled, not expired", key.name, fixed.unwrap_or_default())
}
