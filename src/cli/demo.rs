//! `keystile demo`: everything on loopback, and lines to paste.

use super::{keys, sample};
use crate::admin::Health;
use crate::app::notify::Notifier;
use crate::app::runtime::{Signals, follow, open_admin};
use crate::app::start::Start;
use crate::app::{Gateway, ending, reload::Reloader};
use crate::model::listener::{Address, DoorKind};
use crate::model::token::Digest;
use crate::model::webhook::{Algorithm, Encoding, SigningKey};
use crate::net::inherited::Inherited;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(clap::Args)]
pub struct Arguments {
    /// The gateway's port; another one if it is taken.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

const ENGINE_KEYS: &[(&str, &str)] =
    &[("Production", "demo-engine-key-of-production"), ("Test", "demo-engine-key-of-test")];

/// What the demo's webhook delivers.
const EVENT: &str = r#"{"action":"opened"}"#;

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = Folder::create()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let engine = sample::serve(ENGINE_KEYS).await.context("cannot start the sample upstream")?;
        let callers = Callers::draw()?;
        let port = free(arguments.port);
        let path = folder.write(engine, port, &callers)?;
        let start = Start::read(&path, None, false).await?;
        let settings = start.assembled.settings.clone();
        let (gateway, control) = start.run(&mut Inherited::default())?;
        let health = Arc::new(Health::new(1));
        let admin = open_admin(&settings, &gateway, &health, Some(control.clone()), &mut Inherited::default())?.address;
        let at = Doors {
            inbound: bound(&gateway, DoorKind::Inbound)?,
            outbound: bound(&gateway, DoorKind::Outbound)?,
            admin,
        };
        let mut signals = Signals::hear()?;
        print!("{}", lines(&at, &path, &callers));
        let reloader = Reloader::new(gateway.clone(), control, health.clone(), Arc::new(Notifier::silent()), path);
        let ending = follow(gateway.clone(), reloader, &mut signals, std::future::pending()).await?;
        ending::end(ending, &gateway, &health, &mut signals).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Where the demo listens.
struct Doors {
    inbound: Address,
    outbound: Address,
    admin: SocketAddr,
}

fn bound(gateway: &Gateway, door: DoorKind) -> anyhow::Result<Address> {
    let live = gateway.shared.load();
    let named = live.snapshot.listeners.iter().find(|l| l.door.kind() == door).map(|l| l.address.clone());
    let found = gateway.addresses().into_iter().find(|(name, _)| named.as_ref() == Some(name));
    found.map(|(_, at)| at).with_context(|| format!("the demo has no {} listener", door.name()))
}

/// The demo's callers.
struct Callers {
    crm: Zeroizing<String>,
    tester: Zeroizing<String>,
    slow: Zeroizing<String>,
    /// A workflow that calls a provider.
    worker: Zeroizing<String>,
    /// What a webhook's sender signs with.
    sender: Zeroizing<String>,
}

impl Callers {
    fn draw() -> anyhow::Result<Callers> {
        let [crm, tester, slow, worker, sender] = [(); 5].map(|()| keys::draw());
        Ok(Callers { crm: crm?, tester: tester?, slow: slow?, worker: worker?, sender: sender? })
    }

    /// What GitHub would send beside `body`.
    fn signature(&self, body: &str) -> String {
        let key = Zeroizing::new(self.sender.as_bytes().to_vec());
        let key = SigningKey::new(Algorithm::HmacSha256, &key);
        let made = key.ok().and_then(|key| key.judge(&[body.as_bytes()]).made().map(|made| Encoding::Hex.encode(made)));
        made.unwrap_or_default()
    }
}

/// The demo's configuration, in a private folder that goes with it.
struct Folder(PathBuf);

impl Folder {
    fn create() -> anyhow::Result<Folder> {
        let path = std::env::temp_dir().join(format!("keystile-demo-{}", std::process::id()));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Folder(path))
    }

    fn write(&self, engine: SocketAddr, port: u16, callers: &Callers) -> anyhow::Result<PathBuf> {
        for (environment, key) in ENGINE_KEYS {
            std::fs::write(self.0.join(format!("engine-{environment}")), key)?;
        }
        std::fs::write(self.0.join("sender"), callers.sender.as_bytes())?;
        let path = self.0.join("keystile.yaml");
        std::fs::write(&path, configuration(engine, port, callers, &self.0))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `wanted`, or any free port.
fn free(wanted: u16) -> u16 {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, wanted));
    if crate::net::listen::is_taken(address) { 0 } else { wanted }
}

fn configuration(engine: SocketAddr, port: u16, callers: &Callers, folder: &Path) -> String {
    let digest = |token: &str| Digest::of(token.as_bytes());
    format!(
        r#"# The configuration of `keystile demo`. Change it and save: the running demo follows.
listeners:
  inbound: [{{ address: "127.0.0.1:{port}" }}]
  outbound: [{{ address: "127.0.0.1:0" }}]
  admin: {{ address: "127.0.0.1:0" }}

shutdown: {{ drain: 1s }}

environments:
  - {{ name: Production, default: true }}
  - {{ name: Test }}

connections:
  - name: engine-production
    environment: Production
    base_url: http://{engine}
    allow_networks: [127.0.0.0/8]
    inject: {{ header: X-Engine-Key }}
    secret: file:engine-Production
  - name: engine-test
    environment: Test
    base_url: http://{engine}
    allow_networks: [127.0.0.0/8]
    inject: {{ header: X-Engine-Key }}
    secret: file:engine-Test

workflows:
  - name: get-customer
    template: GET /customers/{{id}}
    upstream: {{ Production: engine-production, Test: engine-test }}
  - name: create-order
    template: POST /orders
    upstream: {{ Production: engine-production }}
  - name: github-events
    template: POST /hooks/github
    upstream: {{ Production: engine-production }}
    webhook: {{ scheme: github, secrets: ["file:sender"] }}

keys:
  - name: crm
    primary: {crm}
    workflows: [get-customer]
  - name: tester
    primary: {tester}
    workflows: all
    environment: Test
  - name: slow
    primary: {slow}
    workflows: [get-customer]
    rate_limit: 6/min burst 3
  - name: worker
    primary: {worker}
    connections: [engine-production]

log: {{ level: warn, format: text, access: "file:{log}" }}
"#,
        crm = digest(&callers.crm),
        tester = digest(&callers.tester),
        slow = digest(&callers.slow),
        worker = digest(&callers.worker),
        log = folder.join("access.log").display(),
    )
}

fn lines(doors: &Doors, path: &Path, callers: &Callers) -> String {
    let Doors { inbound: at, outbound: out, admin } = doors;
    let [crm, tester, slow, worker] =
        [&callers.crm, &callers.tester, &callers.slow, &callers.worker].map(|t| t.as_str());
    let signed = callers.signature(EVENT);
    let steps = [
        (
            "Passes: the key `crm` may run get-customer. The upstream gets its own key, and not the caller's.",
            format!("curl -i -H 'Authorization: Key={crm}' http://{at}/customers/7"),
        ),
        (
            "Refused, 401 missing_key: no key, no answer; every path says the same.",
            format!("curl -i http://{at}/customers/7"),
        ),
        (
            "Refused, 403 workflow_not_permitted: `crm` is a valid key, but create-order is not on its list.",
            format!("curl -i -X POST -H 'Authorization: Key={crm}' http://{at}/orders"),
        ),
        (
            "Refused, 403 environment_mismatch: `tester` is fixed to Test and never falls through to Production.",
            format!("curl -i -H 'Authorization: Key={tester}' http://{at}/customers/7"),
        ),
        (
            "Passes: the same key, with its environment named; Test has an upstream key of its own.",
            format!("curl -i -H 'Authorization: Key={tester}' 'http://{at}/customers/7?_profile=Test'"),
        ),
        (
            "Passes, with a Deprecation header: a key in the query works for senders that can do no better, and is stripped.",
            format!("curl -i 'http://{at}/customers/7?auth-key={crm}&verbose=1'"),
        ),
        (
            "A limit: `slow` may call 3 times at once and 6 times a minute; of these six calls three are 429 rate_limited.",
            format!(
                "curl -s -o /dev/null -w '%{{http_code}}\\n' -H 'Authorization: Key={slow}' 'http://{at}/customers/[1-6]'"
            ),
        ),
        (
            "Passes: a sender who has no key signs the body, here as GitHub does. Pasted again, it is answered and not forwarded.",
            format!("curl -i -H 'X-Hub-Signature-256: sha256={signed}' -d '{EVENT}' http://{at}/hooks/github"),
        ),
        (
            "Refused, 401 signature_invalid: the same signature, and another body.",
            format!("curl -i -H 'X-Hub-Signature-256: sha256={signed}' -d '{{}}' http://{at}/hooks/github"),
        ),
        (
            "Outbound: a workflow calls a provider by its connection. The sample says its key back; the caller reads stars.",
            format!("curl -i -H 'Authorization: Bearer {worker}' http://{out}/c/engine-production/v1/anything"),
        ),
        (
            "Refused, 404 connection_not_found: what is not on the key's list does not exist for it.",
            format!("curl -i -H 'Authorization: Bearer {worker}' http://{out}/c/engine-test/v1/anything"),
        ),
        ("Metrics: what was counted.", format!("curl -s http://{admin}/metrics")),
    ];
    let mut text = String::from(
        "\n*** THIS IS A DEMO: fresh keys, a sample upstream, loopback only; nothing is kept when it ends. ***\n\n\
         Paste these into another terminal:\n",
    );
    for (word, line) in steps {
        let _ = write!(text, "\n# {word}\n{line}\n");
    }
    let _ = writeln!(text, "\nIts configuration:  {}   (change it and save: the demo follows)", path.display());
    let _ = writeln!(text, "Its access log:     {}", path.with_file_name("access.log").display());
    text + "\nCtrl-C ends it.\n"
}
