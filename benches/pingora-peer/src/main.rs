//! The benchmark's work on pingora: a peer to compare with.
//!
//! `pingora-peer HTTP_PORT HTTPS_PORT THREADS`; `BENCH_CONF` is the folder that gen.py wrote, `BENCH_ACCESS_LOG` a file.

mod log;
mod work;

use std::{env, sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderValue;
use pingora::{
    http::{RequestHeader, ResponseHeader},
    listeners::tls::TlsSettings,
    prelude::*,
    server::configuration::ServerConf,
    upstreams::peer::HttpPeer,
};

use crate::{log::AccessLog, work::Work};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Peer {
    work: Arc<Work>,
    secret: HeaderValue,
    upstream: std::net::SocketAddr,
    log: Option<AccessLog>,
}

struct Context {
    identity: Option<HeaderValue>,
    started: Instant,
}

#[async_trait]
impl ProxyHttp for Peer {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context { identity: None, started: Instant::now() }
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let head = session.req_header();
        let authorization = head.headers.get("authorization").map(|value| value.as_bytes());
        match self.work.check(authorization, head.uri.path(), head.uri.query()) {
            Ok(key) => {
                context.identity = Some(key.identity.clone());
                Ok(false)
            }
            Err(denial) => {
                let mut reply = ResponseHeader::build(denial.status(), Some(4))?;
                reply.insert_header("content-type", "text/plain")?;
                reply.insert_header("content-length", "7")?;
                session.write_response_header(Box::new(reply), false).await?;
                session.write_response_body(Some(Bytes::from_static(b"denied\n")), true).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Context) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        request.remove_header("authorization");
        if request.uri.query().is_some()
            && let Some(stripped) = request.uri.path_and_query().and_then(|uri| work::strip_query(uri.as_str()))
        {
            request.set_uri(stripped.parse().expect("a part of a valid URI"));
        }
        request.insert_header("X-API-Key", self.secret.clone())?;
        if let Some(identity) = &context.identity {
            request.insert_header("X-Keystile-Identity", identity.clone())?;
        }
        Ok(())
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, context: &mut Context) {
        if let Some(log) = &self.log {
            log.write(session, context.identity.as_ref(), context.started);
        }
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let conf = env::var("BENCH_CONF").expect("BENCH_CONF");
    let mut server = Server::new_with_opt_and_conf(
        None,
        ServerConf {
            threads: arguments[3].parse().expect("a number of threads"),
            work_stealing: env::var("PG_STEAL").is_ok_and(|value| value == "1"),
            upstream_keepalive_pool_size: 1024,
            ..Default::default()
        },
    );
    server.bootstrap();
    let peer = Peer {
        work: Arc::new(Work::load(&format!("{conf}/keys.txt"))),
        secret: HeaderValue::from_static("upstream-secret"),
        upstream: "127.0.0.1:9100".parse().expect("an address"),
        log: env::var("BENCH_ACCESS_LOG").ok().map(|path| AccessLog::open(&path)),
    };
    let mut service = pingora::proxy::http_proxy_service(&server.configuration, peer);
    service.add_tcp(&format!("127.0.0.1:{}", arguments[1]));
    let mut tls = TlsSettings::intermediate(&format!("{conf}/cert.pem"), &format!("{conf}/key.pem")).expect("TLS");
    tls.enable_h2();
    service.add_tls_with_settings(&format!("127.0.0.1:{}", arguments[2]), None, tls);
    server.add_service(service);
    server.run_forever();
}
