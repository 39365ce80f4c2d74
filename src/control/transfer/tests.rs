//! Imports and exports over a store, without a gateway: what is put in force is looked at.

use crate::assembly::{self, Assembled, Rejected, Store as Settings};
use crate::control::opening::{self, Opened};
use crate::control::{Actor, AuditFilter, Control, Estate, InForce, NotReloaded, founding};
use crate::limit::Limits;
use crate::live::{KeyChange, Live};
use crate::model::{Digest, Keys, Resource, Slot};
use crate::vault::{MasterKey, MasterKeySource};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const FILE: &str = "
listeners: { inbound: [{ address: '127.0.0.1:8080' }] }
environments: [{ name: Production, default: true }]
connections: [{ name: filed, base_url: 'https://filed.example.com' }]
";

/// What would carry traffic.
struct Plane(ArcSwap<Live>);

impl InForce for Plane {
    fn live(&self) -> Arc<Live> {
        self.0.load_full()
    }

    fn change_keys(&self, changes: Vec<KeyChange>) {
        self.0.store(Arc::new(self.0.load().with_keys(changes)));
    }

    fn replace_frame(&self, mut assembled: Assembled) -> anyhow::Result<u64> {
        assembled.snapshot.keys = self.0.load().snapshot.keys.clone();
        let generation = self.0.load().generation + 1;
        self.0.store(Arc::new(live(assembled, generation)));
        Ok(generation)
    }

    fn reload(&self, _: &mut dyn FnMut(&Keys) -> Result<Assembled, Rejected>) -> Result<u64, NotReloaded> {
        Err(NotReloaded::Failed(anyhow::anyhow!("there is no file")))
    }
}

fn live(assembled: Assembled, generation: u64) -> Live {
    Live {
        limits: Limits::build(&assembled.snapshot, None),
        snapshot: assembled.snapshot,
        trust: Arc::new(assembled.trust),
        certificates: Arc::new(assembled.certificates),
        generation,
    }
}

/// A store of its own, with its first administrator.
struct World {
    control: Control,
    token: Zeroizing<String>,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    async fn new() -> World {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).unwrap();
        let folder = std::env::temp_dir().join(format!("keystile-transfer-{:016x}", u64::from_be_bytes(random)));
        std::fs::create_dir(&folder).unwrap();
        let key = folder.join("master.key");
        MasterKey::create_file(&key).unwrap();
        let settings = Settings { sqlite: folder.join("db"), master_key: format!("file:{}", key.display()) };
        let source = MasterKeySource::parse(&settings.master_key, &folder).unwrap();
        let token = founding::found(&settings.sqlite, MasterKey::load(&source).unwrap()).await.unwrap();
        let Opened { stored, outlet, holdings, keys } =
            opening::open(&settings, &folder, Duration::ZERO).await.unwrap();
        let read = assembly::from_text(FILE, "test.yaml", &folder, &holdings, &keys);
        let (assembled, written) = read.map_err(|rejected| rejected.to_string()).unwrap();
        let plane = Arc::new(Plane(ArcSwap::from_pointee(live(assembled, 1))));
        let estate = Estate { written: Arc::new(written), holdings };
        World { control: Control::new(plane, Some((stored, outlet)), estate, None), token, folder }
    }

    fn admin(&self) -> Actor {
        self.actor(&self.token)
    }

    fn actor(&self, token: &str) -> Actor {
        self.control.actor(token.as_bytes(), Ipv4Addr::LOCALHOST.into(), "request").ok().unwrap()
    }

    async fn import(&self, document: &Value, dry_run: bool) -> Result<Value, crate::control::Refusal> {
        self.control.import(&self.admin(), Zeroizing::new(document.to_string()), dry_run).await
    }

    async fn export(&self) -> Value {
        self.control.export(&self.admin()).await.ok().unwrap()
    }

    async fn revision(&self) -> Value {
        self.control.status(&self.admin()).await.ok().unwrap()["store"]["revision"].clone()
    }
}

fn document() -> Value {
    json!({
        "environments": [{ "name": "Test" }],
        "connections": [
            { "name": "engine", "base_url": "https://engine.example.com", "environment": "Test",
              "inject": { "header": "X-Engine-Key" } },
            { "name": "stripe-test", "connector": "stripe", "environment": "Test" },
        ],
        "workflows": [{ "name": "get-customer", "template": "GET /customers/{id}",
            "upstream": { "Test": "engine" } }],
        "keys": [
            { "name": "acme", "workflows": ["get-customer"], "environment": "Test", "rate_limit": "5/s",
              "primary": Digest::of(b"a-token-of-acme-0123456789").to_string() },
            { "name": "worker", "connections": ["stripe-test", "filed"], "expires_at": "2099-01-01T00:00:00Z" },
        ],
    })
}

fn names(list: &Value) -> Vec<&str> {
    let name = |one| Value::as_str(one).or(one["name"].as_str()).unwrap();
    list.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn t2_an_import_creates_what_is_missing_puts_it_in_force_and_says_what_it_needs() {
    let world = World::new().await;
    let told = world.import(&document(), false).await.unwrap();
    assert_eq!(names(&told["created"]), ["Test", "engine", "stripe-test", "get-customer", "acme", "worker"]);
    assert_eq!((&told["updated"], &told["unchanged"]), (&json!([]), &json!([])));
    assert_eq!(names(&told["needs_secret"]), ["engine", "stripe-test"]);
    assert_eq!(names(&told["needs_token"]), ["worker"]);
    let live = world.control.live();
    let (acme, slot) = live.snapshot.keys.find(&Digest::of(b"a-token-of-acme-0123456789")).unwrap();
    let workflow = live.snapshot.workflows.iter().find(|w| &*w.name == "get-customer").unwrap();
    assert_eq!((&*acme.name, slot), ("acme", Slot::Primary));
    assert!(acme.workflows.permit(workflow.uid));
    let audit = world.control.audit(&world.admin(), AuditFilter { limit: 100, ..AuditFilter::default() }).await;
    let actions: Vec<Value> = audit.ok().unwrap().items.into_iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions.iter().filter(|action| action.as_str().unwrap().ends_with(".import")).count(), 6);
}

#[tokio::test]
async fn t2_an_export_holds_no_secret_comes_back_as_it_was_and_is_imported_once() {
    let (world, other) = (World::new().await, World::new().await);
    world.import(&document(), false).await.unwrap();
    let secret = crate::control::SecretSet {
        secret: Zeroizing::new("engine-secret-0123456789".to_owned()),
        force: true,
        verify: false,
    };
    world.control.set_secret(&world.admin(), "engine", secret, None).await.ok().unwrap();
    let exported = world.export().await;
    assert!(!exported.to_string().contains("engine-secret"), "{exported}");
    // Its own store: nothing is other than it was.
    let before = world.revision().await;
    let told = world.import(&exported, false).await.unwrap();
    assert_eq!((names(&told["created"]).len(), names(&told["updated"]).len()), (0, 0), "{told}");
    assert_eq!(world.revision().await, before);
    // Another store, whose own administrator is the same by name.
    let others = |document: &Value| {
        let mut document = document.clone();
        document["keys"].as_array_mut().unwrap().retain(|key| key["name"] != "admin");
        document
    };
    let told = other.import(&others(&exported), false).await.unwrap();
    assert_eq!(names(&told["created"]).len(), 6, "{told}");
    assert_eq!(names(&told["needs_secret"]), ["engine", "stripe-test"]);
    assert_eq!(others(&other.export().await), others(&exported));
    let again = other.import(&others(&exported), false).await.unwrap();
    assert_eq!(names(&again["unchanged"]).len(), 6, "{again}");
}

#[tokio::test]
async fn t2_a_dry_run_says_the_same_and_does_nothing() {
    let world = World::new().await;
    let before = (world.export().await, world.revision().await);
    let told = world.import(&document(), true).await.unwrap();
    assert_eq!((world.export().await, world.revision().await), before);
    assert_eq!(names(&told["created"]), names(&world.import(&document(), false).await.unwrap()["created"]));
}

#[tokio::test]
async fn t2_all_mistakes_are_told_at_their_places_and_nothing_is_done() {
    let world = World::new().await;
    let before = world.revision().await;
    let bad = json!({
        "listeners": {},
        "environments": [{ "name": "Test" }, { "name": "Test" }],
        "connections": [
            { "name": "one", "base_url": "nowhere", "inject": [{ "header": "a b" }] },
            { "name": "two", "base_url": "https://two.example.com", "secret": "s3cr3t-value" },
            { "name": "filed", "base_url": "https://three.example.com" },
            { "base_url": "https://four.example.com" },
        ],
        "keys": [{ "name": "k", "primary": "kst_in_the_clear" , "rate_limit": "often" }],
    });
    let refusal = world.import(&bad, false).await.unwrap_err();
    let mut fields: Vec<&str> = refusal.errors.iter().map(|wrong| wrong.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "connections[3].name",
            "connections[filed].name",
            "connections[one].base_url",
            "connections[one].inject[0].header",
            "connections[two].secret",
            "environments[Test].name",
            "keys[k].primary",
            "keys[k].rate_limit",
            "listeners",
        ]
    );
    let told = format!("{refusal:?}");
    assert!(!told.contains("s3cr3t") && !told.contains("in_the_clear"), "{told}");
    // What is wrong only beside the others is told as well.
    let mut dangling = document();
    dangling["workflows"][0]["upstream"] = json!({ "Test": "nothing" });
    let refusal = world.import(&dangling, false).await.unwrap_err();
    assert!(refusal.errors[0].field.starts_with("workflows[get-customer].upstream"), "{refusal:?}");
    dangling["workflows"] = json!([]);
    let refusal = world.import(&dangling, false).await.unwrap_err();
    assert_eq!(refusal.errors[0].field, "keys[acme].workflows[0]", "{refusal:?}");
    assert_eq!(world.revision().await, before);
}

#[tokio::test]
async fn k15_by_id_a_name_changes_and_what_speaks_of_it_follows() {
    let world = World::new().await;
    world.import(&document(), false).await.unwrap();
    let exported = world.export().await;
    let mut engine = exported["connections"][0].clone();
    assert_eq!(engine["name"], "engine");
    engine["name"] = "motor".into();
    let told = world.import(&json!({ "connections": [engine] }), false).await.unwrap();
    assert_eq!(names(&told["updated"]), ["motor"]);
    assert_eq!(world.export().await["workflows"][0]["upstream"], json!({ "Test": "motor" }));
    assert_eq!(world.export().await["connections"].as_array().unwrap().len(), 2, "nothing was added");
}

#[tokio::test]
async fn k13_nobody_imports_more_than_they_have() {
    let world = World::new().await;
    world.import(&document(), false).await.unwrap();
    let body = json!({ "name": "clerk", "scopes": ["admin:write", "workflows:invoke"] }).to_string();
    let made = world.control.create(&world.admin(), Resource::Key, Zeroizing::new(body), None, false).await;
    let made: Value = serde_json::from_str(&made.ok().unwrap().body).unwrap();
    let clerk = world.actor(made["primary"].as_str().unwrap());
    for beyond in [
        json!({ "keys": [{ "name": "k", "workflows": ["get-customer"] }] }),
        json!({ "keys": [{ "name": "k", "scopes": ["admin:read"] }] }),
        json!({ "keys": [{ "name": "acme", "enabled": false }] }),
        json!({ "workflows": [{ "name": "w", "template": "GET /w", "upstream": { "Test": "engine" } }] }),
    ] {
        let refused = world.control.import(&clerk, Zeroizing::new(beyond.to_string()), false).await;
        assert_eq!(refused.unwrap_err().code, "grant_exceeds_own", "{beyond}");
    }
    let last =
        json!({ "keys": [{ "name": "admin", "scopes": ["workflows:invoke"] }, { "name": "clerk", "enabled": false }] });
    assert_eq!(world.import(&last, false).await.unwrap_err().code, "last_administrator");
}

#[tokio::test]
async fn k10_a_key_without_a_token_gets_one_and_stays_one_key() {
    let world = World::new().await;
    world.import(&document(), false).await.unwrap();
    let admin = world.admin();
    let token = world.control.regenerate(&admin, "worker", Slot::Primary, Duration::ZERO, None).await.ok().unwrap();
    let live = world.control.live();
    assert_eq!(&*live.snapshot.keys.find(&Digest::of(token.as_bytes())).unwrap().0.name, "worker");
    assert_eq!(live.snapshot.keys.iter().filter(|key| &*key.name == "worker").count(), 1);
}

#[tokio::test]
async fn k11_what_was_revoked_is_neither_exported_nor_brought_back() {
    let world = World::new().await;
    world.import(&document(), false).await.unwrap();
    let before = world.export().await;
    world.control.revoke(&world.admin(), "acme", None).await.ok().unwrap();
    assert!(!world.export().await.to_string().contains("acme"));
    let refusal = world.import(&before, false).await.unwrap_err();
    assert_eq!(refusal.errors[0].field, "keys[acme]", "{refusal:?}");
}

#[tokio::test]
async fn t5_t4_usage_and_audit_are_told_by_name_page_by_page() {
    let world = World::new().await;
    world.import(&document(), false).await.unwrap();
    let admin = world.admin();
    let query = |before| AuditFilter { limit: 4, before, ..AuditFilter::default() };
    let first = world.control.audit(&admin, query(None)).await.ok().unwrap();
    assert_eq!((first.items[0]["seq"].as_u64(), first.next.as_deref()), (Some(7), Some("4")));
    let second = world.control.audit(&admin, query(Some(4))).await.ok().unwrap();
    assert_eq!((second.items.len(), second.next), (3, None));
    let verdict = world.control.audit_verify(&admin).await.ok().unwrap();
    assert_eq!((&verdict["ok"], &verdict["count"]), (&json!(true), &json!(7)));
    let unknown = world.control.usage(&admin, Some(Resource::Key), Some("nobody")).await;
    assert_eq!(unknown.unwrap_err().code, "key_not_found");
    let nothing = world.control.usage(&admin, None, None).await.ok().unwrap();
    assert_eq!(nothing["items"], json!([]));
    let status = world.control.status(&admin).await.ok().unwrap();
    assert_eq!(status["audit"]["count"], 7);
    assert_eq!(status["store"]["in_force"], true);
    assert_eq!(status["connections"]["stored_by_status"], json!({ "needs_secret": 2 }));
}
