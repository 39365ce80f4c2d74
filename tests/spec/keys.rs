//! K: keys that callers present, one by one on the real wire.

use crate::support::{World, token};

#[test]
fn k1_no_credential_is_401_missing_key_with_both_challenges() {
    let world = World::start();
    let reply = world.get("/customers/1").send();
    assert_eq!(reply.verdict(), "401 missing_key");
    assert_eq!(reply.all("www-authenticate"), ["Key realm=\"keystile\"", "Bearer realm=\"keystile\""]);
    assert_eq!(world.record_of(&reply)["code"], "missing_key");
    world.assert_untouched();
    let reply = world.call("crm").send();
    assert_eq!(reply.verdict(), "200");
    assert_eq!(reply.text(), "ok");
    assert!(!world.production.last().text().contains(&token("crm")));
}
