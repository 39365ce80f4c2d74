//! A store in a folder of its own, the use cases over it, and a data plane that is only looked at.

use crate::assembly::{self, Assembled, Rejected};
use crate::control::{Actor, Control, Estate, InForce, NotReloaded, Refusal, founding, opening};
use crate::limit::Limits;
use crate::live::{KeyChange, Live};
use crate::model::{Keys, Resource};
use crate::vault::{MasterKey, MasterKeySource};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What is in force, and nothing that serves it.
struct Plane(ArcSwap<Live>);

fn live(assembled: Assembled, generation: u64) -> Live {
    Live {
        limits: Limits::build(&assembled.snapshot, None),
        snapshot: assembled.snapshot,
        trust: Arc::new(assembled.trust),
        certificates: Arc::new(assembled.certificates),
        generation,
    }
}

impl InForce for Plane {
    fn live(&self) -> Arc<Live> {
        self.0.load_full()
    }

    fn change_keys(&self, changes: Vec<KeyChange>) {
        self.0.store(Arc::new(self.0.load().with_keys(changes)));
    }

    fn replace_frame(&self, mut assembled: Assembled) -> anyhow::Result<u64> {
        let before = self.0.load_full();
        assembled.snapshot.keys = before.snapshot.keys.clone();
        self.0.store(Arc::new(live(assembled, before.generation + 1)));
        Ok(before.generation + 1)
    }

    fn reload(&self, read: &mut dyn FnMut(&Keys) -> Result<Assembled, Rejected>) -> Result<u64, NotReloaded> {
        let before = self.0.load_full();
        let assembled = read(&before.snapshot.keys).map_err(NotReloaded::Rejected)?;
        self.0.store(Arc::new(live(assembled, before.generation + 1)));
        Ok(before.generation + 1)
    }
}

/// A gateway's control plane, and its first administrator.
pub struct World {
    pub control: Arc<Control>,
    pub admin: Actor,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const FILE: &str = "store: sqlite:keystile.db\nmaster_key: file:master.key\nlisteners:\n  inbound:\n    - address: \
                    127.0.0.1:0\n";

impl World {
    /// Beside a file that declares no resources.
    pub async fn new() -> World {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).unwrap();
        let folder = std::env::temp_dir().join(format!("keystile-control-{:016x}", u64::from_be_bytes(random)));
        std::fs::create_dir(&folder).unwrap();
        let (master, database) = (folder.join("master.key"), folder.join("keystile.db"));
        MasterKey::create_file(&master).unwrap();
        let master = MasterKey::load(&MasterKeySource::File(master)).unwrap();
        let token = founding::found(&database, master).await.unwrap();
        let settings = assembly::Store { sqlite: database, master_key: "file:master.key".to_owned() };
        let opened = opening::open(&settings, &folder, Duration::ZERO).await.unwrap();
        let read = assembly::from_text(FILE, "keystile.yaml", &folder, &opened.holdings, &opened.keys);
        let (assembled, written) = read.unwrap_or_else(|rejected| panic!("{rejected}"));
        let plane = Arc::new(Plane(ArcSwap::from_pointee(live(assembled, 1))));
        let estate = Estate { written: Arc::new(written), holdings: opened.holdings };
        let control = Arc::new(Control::new(plane, Some((opened.stored, opened.outlet)), estate, None));
        let admin = actor(&control, &token);
        World { control, admin, folder }
    }

    pub async fn create(&self, actor: &Actor, kind: Resource, body: Value) -> Result<Value, Refusal> {
        let body = Zeroizing::new(body.to_string());
        let created = self.control.create(actor, kind, body, None, false).await?;
        Ok(serde_json::from_str(&created.body).unwrap())
    }

    pub async fn edit(&self, actor: &Actor, kind: Resource, name: &str, patch: Value) -> Result<Value, Refusal> {
        let patch = Zeroizing::new(patch.to_string());
        self.control.edit(actor, kind, name, patch, None).await.map(|shown| shown.body)
    }

    /// An administrator who has these fields of a key beside his scopes.
    pub async fn administrator(&self, name: &str, fields: Value) -> Actor {
        let mut body = json!({ "name": name, "scopes": ["admin:read", "admin:write"] });
        for (field, value) in fields.as_object().unwrap() {
            body[field] = value.clone();
        }
        let made = self.create(&self.admin, Resource::Key, body).await.unwrap();
        actor(&self.control, made["primary"].as_str().unwrap())
    }

    /// A connection with a secret.
    pub async fn connection(&self, name: &str) {
        let body = json!({
            "name": name, "connector": "custom", "base_url": "https://a.example", "inject": [{ "header": "X-Key" }],
            "secret": "the-first-secret-of-it",
        });
        self.create(&self.admin, Resource::Connection, body).await.unwrap();
    }

    /// Another file, with these lines more.
    pub async fn file(&self, more: &str) {
        let (path, control) = (self.folder.join("keystile.yaml"), self.control.clone());
        std::fs::write(&path, format!("{FILE}{more}")).unwrap();
        let reload = move || match control.reload(&path, |_| {}) {
            Ok(_) => {}
            Err(NotReloaded::Rejected(rejected)) => panic!("{rejected}"),
            Err(NotReloaded::Failed(error)) => panic!("{error:#}"),
        };
        tokio::task::spawn_blocking(reload).await.unwrap();
    }
}

fn actor(control: &Control, token: &str) -> Actor {
    control.actor(token.as_bytes(), [127, 0, 0, 1].into(), "test").unwrap()
}
