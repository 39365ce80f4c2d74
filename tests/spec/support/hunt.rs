//! The hunt for canaries: values that were sent once and must be found nowhere.

use super::client::Connection;
use super::world::{World, token};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

/// What must not be found, and everything it must not be found in.
#[derive(Default)]
pub struct Hunt {
    canaries: RefCell<Vec<String>>,
    said: RefCell<Vec<u8>>,
    count: Cell<usize>,
}

impl Hunt {
    /// A token that was never used before. Nobody's.
    pub fn fresh(&self) -> String {
        self.count.set(self.count.get() + 1);
        let token = token(&format!("canary {}", self.count.get()));
        self.canaries.borrow_mut().push(token.clone());
        token
    }

    pub fn known(&self, canaries: &[&str]) {
        self.canaries.borrow_mut().extend(canaries.iter().map(|c| (*c).to_owned()));
    }

    /// All of them so far.
    pub fn canaries(&self) -> Vec<String> {
        self.canaries.borrow().clone()
    }

    /// Sends bytes as they are to the first inbound listener, ends, and keeps what is answered.
    pub fn send(&self, world: &World, bytes: impl AsRef<[u8]>) {
        self.send_to(world.address(), bytes);
    }

    /// The same to another listener.
    pub fn send_to(&self, address: SocketAddr, bytes: impl AsRef<[u8]>) {
        let mut connection = Connection::open(address);
        connection.write(bytes.as_ref());
        if let Ok(reply) = connection.read(bytes.as_ref().starts_with(b"HEAD")) {
            self.said.borrow_mut().extend(reply.raw);
        }
    }

    /// Sends the beginning of a request and hangs up.
    pub fn truncated(&self, world: &World, bytes: impl AsRef<[u8]>) {
        let mut connection = Connection::open(world.address());
        connection.write(bytes.as_ref());
        connection.finish();
        if let Ok(reply) = connection.read(false) {
            self.said.borrow_mut().extend(reply.raw);
        }
    }

    /// Searches all of it, after what the gateway itself shows was added.
    #[track_caller]
    pub fn assert_clean(&self, world: &World) {
        // Records are written in order and a moment later: once this one is there, all are.
        world.record_of(&world.get("/nowhere").send());
        let mut all = self.said.borrow().clone();
        for path in ["/metrics", "/readyz", "/healthz", "/nothing"] {
            all.extend(world.admin(path).raw);
        }
        all.extend(world.stdout.text().bytes());
        all.extend(world.stderr.text().bytes());
        assert_absent(&String::from_utf8_lossy(&all), &self.canaries.borrow());
    }
}

#[track_caller]
pub fn assert_absent(text: &str, canaries: &[String]) {
    for canary in canaries {
        for form in forms(canary) {
            if let Some(at) = text.find(&form) {
                let around = &text.as_bytes()[at.saturating_sub(300)..(at + 300).min(text.len())];
                panic!("{canary} was written down as {form}:\n…{}…", String::from_utf8_lossy(around));
            }
        }
    }
}

/// The forms a canary could be written in: plain, percent-encoded, JSON-escaped, hex, base64 in all alignments. Of a
/// token the middle is looked for, so that cut ones are found as well.
fn forms(canary: &str) -> Vec<String> {
    use base64::Engine as _;
    let core = if canary.starts_with("kst_") { &canary[8..28] } else { canary };
    let each = |how: &dyn Fn(u8) -> String| core.bytes().map(how).collect::<String>();
    let needed = |b: u8| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }
    };
    let mut forms = vec![
        core.to_owned(),
        core.to_ascii_lowercase(),
        core.to_ascii_uppercase(),
        each(&|b| format!("%{b:02X}")),
        each(&|b| format!("%{b:02x}")),
        each(&|b| format!("%25{b:02X}")),
        each(&|b| format!("%25{b:02x}")),
        each(&needed),
        each(&|b| format!("\\u{b:04x}")),
        each(&|b| format!("\\u{b:04X}")),
        each(&|b| format!("{b:02x}")),
        each(&|b| format!("{b:02X}")),
        serde_json::to_string(core).unwrap().trim_matches('"').to_owned(),
    ];
    for shift in 0..3 {
        // What does not depend on the bytes before and after.
        let padded = [&b"\0\0"[..shift], core.as_bytes()].concat();
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&padded);
        let inside = encoded[[0, 2, 3][shift]..encoded.len() - 2].to_owned();
        forms.push(inside.replace('+', "-").replace('/', "_"));
        forms.push(inside);
    }
    forms
}
