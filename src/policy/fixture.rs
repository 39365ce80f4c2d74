//! A small world for the tests of this floor: two environments, two workflows, two keys.

use crate::model::Uid;
use crate::model::connection::{
    ConnectionId, Destination, DestinationId, HttpVersion, InjectRule, Injection, Site, UpstreamTimeouts,
};
use crate::model::directory::Directory;
use crate::model::environment::Environment;
use crate::model::key::{Grants, KeyId, Scopes};
use crate::model::listener::{ConnectionCaps, EnvironmentParameter, FrontTimeouts, Listener, PlaceMask, Places};
use crate::model::routes::Routes;
use crate::model::scrub::Needles;
use crate::model::template::Template;
use crate::model::workflow::WorkflowId;
use crate::model::*;
use http::{HeaderName, HeaderValue};
use std::num::NonZeroU32;
use std::time::Duration;
use zeroize::Zeroizing;

/// The same token for the same name and slot, every time.
pub fn token(key: &str, slot: Slot) -> Zeroizing<String> {
    let mut reader = blake3::Hasher::new().update(key.as_bytes()).update(slot.name().as_bytes()).finalize_xof();
    token::generate(|out| {
        reader.fill(out);
        Ok::<(), ()>(())
    })
    .unwrap()
}

pub fn places() -> Places {
    Places { open: PlaceMask::ALL, header: HeaderName::from_static("x-api-key"), query: "auth-key".into() }
}

pub fn secret(text: &str) -> Secret {
    Secret::new(Zeroizing::new(text.into()))
}

pub fn injection(header: &str) -> Injection {
    let rule = InjectRule::Header { name: header.parse().unwrap(), value: "{secret}".into() };
    Injection::prepare(&[rule], &secret("s3cr3t")).unwrap()
}

pub fn door() -> Listener {
    let second = Duration::from_secs(1);
    Listener {
        h2c: false,
        address: "127.0.0.1:0".into(),
        door: Door::Inbound,
        tls: false,
        callers: None,
        places: places(),
        environment_parameter: EnvironmentParameter { name: "_profile".into(), strip: false },
        conceal: false,
        trusted_proxies: vec![],
        forwarded: crate::model::listener::ForwardedField::XForwardedFor,
        proxy_protocol: false,
        caps: ConnectionCaps { total: 1000, per_address: 1000 },
        quota: None,
        address_quota: None,
        failed_auth_quota: Quota {
            count: NonZeroU32::new(100).unwrap(),
            per: Duration::from_secs(60),
            burst: NonZeroU32::new(100).unwrap(),
        },
        limit_headers: false,
        max_body: 1024,
        max_head: 16384,
        max_uri: 8192,
        socket_mode: 0o660,
        timeouts: FrontTimeouts { head: second, body_idle: second, request: second, idle: second },
    }
}

fn environment(id: u16, name: &str) -> Environment {
    let uid = Uid::declared("environment", name);
    Environment { id: EnvironmentId(id), uid, name: name.into(), header: HeaderValue::from_str(name).unwrap() }
}

/// The id of the connection of this name.
pub fn uid_of(connection: &str) -> Uid {
    Uid::declared("connection", connection)
}

/// The id of the workflow of this name.
pub fn workflow_uid(name: &str) -> Uid {
    Uid::declared("workflow", name)
}

pub fn connection(index: u32, environment: u16) -> Connection {
    Connection {
        index: ConnectionId(index),
        uid: uid_of(&format!("engine-{environment}")),
        name: format!("engine-{environment}").into(),
        environment: EnvironmentId(environment),
        connector: None,
        default: false,
        secret_missing: false,
        expires_at: None,
        extra_headers: Vec::new(),
        destination: Destination {
            id: DestinationId(u64::from(index)),
            tls: None,
            host: "127.0.0.1".into(),
            port: 1,
            addresses: [Site { host: "127.0.0.1".into(), port: 1 }].into(),
            http: HttpVersion::Auto,
            authority: HeaderValue::from_static("127.0.0.1:1"),
            base_path: String::new(),
            base_path_once: false,
            allow_networks: vec![].into(),
        },
        injection: injection("X-Engine-Key"),
        needle: None,
        allow: [].into(),
        quota: None,
        concurrency: None,
        timeouts: UpstreamTimeouts {
            connect: Duration::ZERO,
            head: Duration::ZERO,
            idle: Duration::ZERO,
            tunnel: Duration::ZERO,
        },
        retries: 1,
        trailers: [].into(),
    }
}

pub fn workflow(index: u32, name: &str, template: &str, upstream: Vec<(EnvironmentId, ConnectionId)>) -> Workflow {
    Workflow {
        index: WorkflowId(index),
        uid: workflow_uid(name),
        name: name.into(),
        template: Some(Template::parse(template).unwrap()),
        upstream,
        places: PlaceMask::ALL,
        quota: None,
        max_body: None,
        concurrency: None,
        upgrades: Vec::new(),
        webhook: None,
        header: HeaderValue::from_str(name).unwrap(),
    }
}

fn key(index: u32, name: &str, workflows: Grants) -> Key {
    let mut key = Key::new(KeyId(index), Uid::declared("key", name), name, Origin::File);
    key.workflows = workflows;
    key.connections = Grants::some(vec![uid_of("engine-0")]);
    key.scopes = Scopes::UNNAMED;
    key
}

/// `crm` may run `get`; `root` may run all. `get` lives in both environments, `post` in Production only.
pub fn snapshot() -> Snapshot {
    let (prod, test) = (EnvironmentId(0), EnvironmentId(1));
    let workflows = vec![
        workflow(0, "get", "GET /customers/{id}", vec![(prod, ConnectionId(0)), (test, ConnectionId(1))]),
        workflow(1, "post", "POST /orders/{rest...}", vec![(prod, ConnectionId(0))]),
    ];
    let mut routes = Routes::default();
    for w in &workflows {
        routes.add(w.template.as_ref().unwrap(), w.index).unwrap();
    }
    let mut keys = Keys::default();
    for key in [key(0, "crm", Grants::some(vec![workflow_uid("get")])), key(1, "root", Grants::All)] {
        let tokens = [Slot::Primary, Slot::Secondary].map(|slot| (Digest::of(token(&key.name, slot).as_bytes()), slot));
        keys.put(key, &[], &tokens);
    }
    let connections = vec![connection(0, 0), connection(1, 1)];
    let frame = Frame {
        needles: Needles::default(),
        directory: Directory::of(&connections),
        listeners: vec![door()],
        environments: vec![environment(0, "Production"), environment(1, "Test")],
        default_environment: prod,
        connections,
        workflows,
        routes,
        handshakes: Routes::default(),
        webhook_buffer: 1 << 20,
        overload: None,
        url_key: Some(std::sync::Arc::new(UrlKey::new(&Zeroizing::new([7; 32])))),
    };
    Snapshot { frame: std::sync::Arc::new(frame), keys }
}
