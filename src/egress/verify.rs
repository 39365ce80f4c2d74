//! C8: a connection's secret is tried with one call, on the very way that traffic goes: its pools, its vetted addresses,
//! its trust, its injection. A redirect is an answer like any other, and is not followed (C10).

use crate::assembly::Assembled;
use crate::connector::{Reply, Verdict, Verify};
use crate::http::body::{CallersBody, RequestBody};
use crate::http::upstream::{Patience, UpstreamBody, Upstreams};
use crate::model::connection::ConnectionId;
use crate::model::{Connection, Denial, RequestHead};
use crate::policy::outbound::rewrite::templated;
use crate::policy::outbound::{Trial, Verification};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Full};
use rustls::ClientConfig;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout_at};

/// What of a reply's body is read: no provider's refusal is as long.
const MOST_BODY: usize = 64 * 1024;
/// Verifications at once.
const AT_ONCE: usize = 8;
/// For whoever's time is up a little earlier to say what was waited for.
const GRACE: Duration = Duration::from_millis(250);

/// A connection, and what is needed to call it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub connection: &'a Connection,
    pub trust: Option<&'a Arc<ClientConfig>>,
    pub verify: Option<&'a Verify>,
}

impl<'a> Subject<'a> {
    pub fn of(assembled: &'a Assembled, id: ConnectionId) -> Subject<'a> {
        let at = id.0 as usize;
        Subject {
            connection: assembled.snapshot.connection(id),
            trust: assembled.trust[at].as_ref().map(|tls| &tls.config),
            verify: assembled.verify[at].as_ref(),
        }
    }

    /// Calls the provider, if there is a secret and a way to try it.
    pub async fn verify(self, upstreams: &Upstreams, until: Instant) -> Verdict {
        let Ok(verification) = Verification::of(self.connection) else { return Verdict::needs_secret() };
        let Some(verify) = self.verify else { return Verdict::no_way() };
        match self.answered(&verification, verify, upstreams, until).await {
            Ok(verdict) => verdict,
            Err(denial) => Verdict::unreachable(&denial),
        }
    }

    async fn answered(
        self,
        verification: &Verification<'_>,
        verify: &Verify,
        upstreams: &Upstreams,
        until: Instant,
    ) -> Result<Verdict, Denial> {
        let body = verify.body.as_ref().map_or(CallersBody::None, |text| CallersBody::Own(Full::from(text.clone())));
        let now = Instant::now();
        let (body, _) = RequestBody::new(body, u64::MAX, self.connection.timeouts.idle, now);
        let head = request(verification, verify)?;
        let patience = Patience { now, until, head: self.connection.timeouts.head };
        let mut sent = upstreams.send(self.connection, self.trust, &head, body, patience);
        let late = |_| Denial::UpstreamTimeout { phase: "verifying" };
        let reply = timeout_at(until + GRACE, sent.reply(|_, _| {})).await.map_err(late)??;
        let (body, whole) = read(reply.body, until).await;
        Ok(Verdict::of_reply(verify, &Reply { status: reply.status, headers: &reply.headers, body: &body, whole }))
    }

    /// The call in words, with templates where the secret goes.
    pub fn shown(self) -> Option<String> {
        let verify = self.verify?;
        let (path, query) = match verify.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (verify.path.as_str(), None),
        };
        let target = templated(self.connection, path, query);
        Some(format!("{} {}{target}", verify.method, self.connection.destination.origin()))
    }
}

fn request(verification: &Verification<'_>, verify: &Verify) -> Result<RequestHead, Denial> {
    let value = |h: &crate::connector::Header| Some((h.name.clone(), HeaderValue::try_from(&h.value).ok()?));
    let json = verify.body.as_ref().map(|_| (CONTENT_TYPE, HeaderValue::from_static("application/json")));
    let headers: Vec<_> = json.into_iter().chain(verify.headers.iter().filter_map(value)).collect();
    let trial = Trial { path: &verify.path, headers: &headers };
    let wrong = || Denial::Internal { cause: "the connector's verify is no valid call".to_owned() };
    let (target, fields) = verification.request(&trial).ok_or_else(wrong)?;
    Ok(RequestHead { method: verify.method.clone(), uri: target, headers: fields, ..RequestHead::default() })
}

/// The beginning of a body, and whether that is all of it.
async fn read(mut body: Box<UpstreamBody>, until: Instant) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    loop {
        match timeout_at(until, body.frame()).await {
            Ok(None) => return (read, true),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let room = MOST_BODY - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return (read, false);
                }
            }
            Ok(Some(Err(_))) | Err(_) => return (read, false),
        }
    }
}

/// Verifies `ids`, a few at once, each within `time`; the verdicts are in their order. `told` hears how many are done. For
/// commands: it makes a runtime of its own.
pub fn verify_all(
    assembled: &Rc<Assembled>,
    ids: &[ConnectionId],
    time: Duration,
    mut told: impl FnMut(usize),
) -> std::io::Result<Vec<(ConnectionId, Verdict)>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upstreams = Rc::new(Upstreams::new(Arc::default()));
    let turns = Rc::new(Semaphore::new(AT_ONCE));
    let mut done = Vec::with_capacity(ids.len());
    LocalSet::new().block_on(&runtime, async {
        let mut running = JoinSet::new();
        for (at, id) in ids.iter().copied().enumerate() {
            let (assembled, upstreams, turns) = (assembled.clone(), upstreams.clone(), turns.clone());
            running.spawn_local(async move {
                let _turn = turns.acquire().await;
                let verdict = Subject::of(&assembled, id).verify(&upstreams, Instant::now() + time).await;
                (at, id, verdict)
            });
        }
        while let Some(finished) = running.join_next().await {
            done.extend(finished);
            told(done.len());
        }
    });
    // A look-up of a name may hang in the system's resolver: nobody waits for it.
    runtime.shutdown_background();
    done.sort_by_key(|(at, ..)| *at);
    Ok(done.into_iter().map(|(_, id, verdict)| (id, verdict)).collect())
}
