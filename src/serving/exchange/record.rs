//! What is written of an exchange when it is over: into the metrics, the counts of usage, the log.

use super::{End, Exchange};
use crate::model::Slot;
use crate::model::listener::DoorKind;
use crate::model::webhook::OwnAnswer;
use crate::telemetry::access_log::AccessRecord;
use crate::telemetry::metrics::Sample;
use crate::telemetry::usage::Used;
use http::uri::PathAndQuery;
use http::{HeaderValue, Version};
use std::time::{Duration, Instant};

impl Exchange {
    /// T5: for whom this request counts. What was cut short has been used all the same, and until now.
    fn used(&self, total: Duration) -> Used {
        let snapshot = &self.live.snapshot;
        let (workflow, connection) = self.asked;
        Used {
            key: self.key.and_then(|(key, slot)| Some((snapshot.key(key)?.uid, slot))),
            workflow: workflow.map(|workflow| snapshot.workflow(workflow).uid),
            connection: connection.map(|connection| snapshot.connection(connection).uid),
            code: self.refused.map_or("", |(code, _)| code),
            at: self.now.saturating_add(total.as_millis() as i64),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let snapshot = &self.live.snapshot;
        let total = self.over.unwrap_or_else(Instant::now).duration_since(self.started);
        let bytes_in = self.upload.as_ref().map_or(0, |u| u.bytes.get()) + self.tunnelled.0;
        let bytes_out = self.bytes_out + self.tunnelled.1;
        // A handshake runs nowhere, and is its workflow's all the same.
        let greeted = self.asked.0.filter(|_| self.own_answer.is_some());
        let workflow = self.run.and_then(|(w, _, _)| w).or(greeted).map(|w| &*snapshot.workflow(w).name);
        let connection = self.run.map(|(_, _, c)| &*snapshot.connection(c).name);
        let environment = self.run.map(|(_, e, _)| &*snapshot.environment(e).name);
        let key = self.key.and_then(|(key, _)| snapshot.key(key));
        let end = match self.end {
            End::Complete => "complete",
            End::ClientGone if self.core.cut.get() => "stopped",
            End::ClientGone => "client_gone",
            End::UpstreamDied => "upstream_died",
            End::UpstreamIdle => "upstream_idle_timeout",
            End::Idle => "idle",
            End::Revoked => "revoked",
        };
        // A reply that was cut short is no success, whatever its status line said.
        let code = match (self.refused, self.end) {
            (Some((code, _)), _) => code,
            (None, End::Complete) => "",
            (None, _) => end,
        };
        self.core.metrics.observe(&Sample {
            door: self.door,
            name: match self.door {
                DoorKind::Inbound => workflow.unwrap_or_default(),
                DoorKind::Outbound => connection.unwrap_or_default(),
            },
            environment: environment.unwrap_or_default(),
            status: self.status,
            code,
            total,
            upstream: self.upstream,
            bytes_in,
            bytes_out,
        });
        if self.core.usage.is_counting() {
            self.core.usage.count(&self.used(total));
        }
        if let Some(connection) = connection.filter(|_| self.scrubbed > 0) {
            self.core.metrics.upstream_pool(connection).scrubbed(self.scrubbed);
        }
        if !self.core.access.is_on() {
            return;
        }
        let key_id = key.map(|key| key.uid.digits());
        self.core.access.record(&AccessRecord {
            time_ms: self.now,
            request_id: self.request_id.as_bytes(),
            listener: self.door.name(),
            address: self.address,
            protocol: protocol(self.version),
            method: self.method.as_str(),
            path: self.path.as_deref().unwrap_or(self.target.as_ref().map_or("", PathAndQuery::path)),
            key: key.map(|key| &*key.name),
            slot: self.key.and_then(|(_, s)| s).map(Slot::name),
            key_id: key_id.as_ref().and_then(|digits| std::str::from_utf8(digits).ok()),
            workflow,
            environment,
            connection,
            status: self.status,
            code: self.refused.map(|(code, _)| code),
            answered: self.own_answer.map(OwnAnswer::name),
            whose: self.refused.map(|(_, whose)| whose),
            cause: self.cause.as_deref(),
            credential_place: self.place,
            credential_in_query: self.in_query,
            scrubbed: self.scrubbed,
            bytes_in,
            bytes_out,
            duration_us: total.as_micros() as u64,
            upstream_us: self.upstream.map(|d| d.as_micros() as u64),
            end,
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
