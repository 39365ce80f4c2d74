//! What a gateway that has said `ready` does when it is signalled: K12's reloads and hazard 30's stop rely on it.

use crate::support::World;

#[test]
fn a_gateway_that_has_said_ready_hears_every_signal() {
    for _ in 0..10 {
        let mut world = World::start();
        world.signal("HUP");
        world.await_event(0, |e| e["why"] == "SIGHUP");
        assert_eq!(world.call("crm").send().verdict(), "200");
        world.signal("TERM");
        let status = world.gateway.wait();
        assert_eq!(status.code(), Some(0), "{status}");
    }
}
