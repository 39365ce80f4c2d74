//! W5, hazard 6: a path that can be read in more than one way is refused, and every other arrives to the byte.

use crate::support::{World, raw, token};

fn request(target: &[u8], key: &str) -> Vec<u8> {
    let rest = format!(" HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Key={}\r\n\r\n", token(key));
    [b"GET ", target, rest.as_bytes()].concat()
}

#[test]
fn w5_ambiguous_paths_are_400_in_every_spelling_and_nothing_arrives() {
    let world = World::start();
    let suspicious = [
        // Dot segments: plain, encoded, doubly encoded, mixed, with parameters as servlet containers read them.
        "/files/..",
        "/files/.",
        "/files/../customers/1",
        "/files/./a",
        "/../files/a",
        "/./files/a",
        "/files/a/..",
        "/files/%2e%2e/customers/1",
        "/files/%2E%2E/customers/1",
        "/files/.%2e/a",
        "/files/%2e./a",
        "/files/%2e",
        "/files/%252e%252e/a",
        "/files/%25%32%65%252e/a",
        "/files/..;/customers/1",
        "/files/..;x=1/a",
        "/files/.;/a",
        "/files/%2e%2e;a/b",
        "/files/%2e%2e%3b/b",
        "/files/..%3Bx/b",
        // Slashes and backslashes, encoded and not.
        "/files/a%2fb",
        "/files/a%2Fb",
        "/files/%2f",
        "/files/..%2f..%2fb",
        "/files/a%252fb",
        "/files/a%252Fb",
        "/files/a\\b",
        "/files/..\\b",
        "/files/a%5cb",
        "/files/a%5Cb",
        "/files/a%255cb",
        "/files%2fa",
        "/files\\a",
        // Empty segments.
        "//",
        "//files/a",
        "/files//a",
        "/files/a//",
        "/files/a//b",
        "///",
        // NUL, invalid UTF-8, overlong forms, broken encodings.
        "/files/%00",
        "/files/a%00.html",
        "/files/a%2500",
        "/files/%c0%ae%c0%ae/a",
        "/files/%c0%af",
        "/files/%ff",
        "/files/%e2%28%a1",
        "/files/%ed%a0%80",
        "/files/%f4%90%80%80",
        "/files/%",
        "/files/%4",
        "/files/%zz",
        "/files/a%2",
        "/files/%u002e%u002e/a",
    ];
    for target in suspicious {
        let reply = raw(world.address(), request(target.as_bytes(), "all"));
        assert_eq!(reply.verdict(), "400 ambiguous_path", "{target}");
    }
    world.assert_untouched();
}

#[test]
fn w5_bytes_that_no_target_may_hold_are_400() {
    let world = World::start();
    for target in [
        &b"/files/\xc3\xa9"[..],
        b"/files/\xff",
        b"/files/a\0b",
        b"/files/\x7f",
        b"/files/a\x01",
        b"/files/a\tb",
        b"/files/a b",
    ] {
        let reply = raw(world.address(), request(target, "all"));
        assert_eq!(reply.status, 400, "{:?}: {}", String::from_utf8_lossy(target), reply.verdict());
    }
    world.assert_untouched();
}

#[test]
fn w5_a_segment_that_some_upstreams_read_as_a_neighbouring_literal_is_400() {
    let to = "upstream: { Production: engine-production }";
    let world = World::build()
        .workflow("admin", &format!("template: 'GET /customers/admin', {to}"))
        .key("careful", "workflows: [get-customer]")
        .start();
    for target in [
        "Admin",
        "ADMIN",
        "%41dmin",
        "%2561dmin",
        "admin.",
        "admin..",
        "admin;x",
        "admin;x=1",
        "admin%20",
        "admin%3bx",
        "admin%2e",
    ] {
        let reply = world.get(&format!("/customers/{target}")).key(&token("careful")).send();
        assert_eq!(reply.verdict(), "400 ambiguous_path", "{target}");
    }
    for target in ["admin", "%61dmin", "adm%69n"] {
        let reply = world.get(&format!("/customers/{target}")).key(&token("careful")).send();
        assert_eq!(reply.verdict(), "403 workflow_not_permitted", "{target}");
    }
    world.assert_untouched();
    for target in ["admins", "1admin", ".admin", "admi"] {
        world.arrived(&world.get(&format!("/customers/{target}")).key(&token("careful")));
    }
}

#[test]
fn w5_every_other_path_arrives_to_the_byte() {
    let world = World::start();
    for target in [
        "/files/",
        "/files/a",
        "/files/a/",
        "/files/...",
        "/files/.hidden",
        "/files/a..b",
        "/files/x..",
        "/files/~a-b_c.d",
        "/files/a;b=1",
        "/files/;",
        "/files/a:b@c",
        "/files/!$&'()*+,;=",
        "/files/%20",
        "/files/%41%7a%7A",
        "/files/%25",
        "/files/100%25",
        "/files/%2541",
        "/files/caf%C3%A9",
        "/files/caf%c3%a9",
        "/files/%F0%9F%A6%80",
        "/files/a%3Fb%23c",
        "/files/%0d%0aX:%20y",
        "/files/%22%3c%3e",
        "/files/a%26b",
        "/files/a+b",
        "/files/a?",
        "/files/a??b=?c",
        "/files/a?../../b",
        "/files/a?x=%2e%2e%2f%00",
        "/files/a?//b\\c",
        "/files/\"{}|^[]",
        "/files/a?{}|\\^`[]",
        "/f%69les/a",
        "/%66iles/a",
    ] {
        let reply = raw(world.address(), request(target.as_bytes(), "all"));
        assert_eq!(reply.verdict(), "200", "{target}: {}", reply.text());
        assert_eq!(world.production.last().target(), target);
    }
}

#[test]
fn w5_an_absolute_target_is_matched_and_forwarded_by_its_path() {
    let world = World::start();
    let arrived = world.arrived(&world.get("http://other.test/customers/1?a=%41").key(&token("crm")));
    assert_eq!(arrived.target(), "/customers/1?a=%41");
    for target in
        ["http://other.test/customers/../x", "http://other.test//customers/1", "http://other.test/files/%2e%2e/a"]
    {
        assert_eq!(world.get(target).key(&token("crm")).send().verdict(), "400 ambiguous_path", "{target}");
    }
}

#[test]
fn w5_the_path_never_leaves_a_connections_base_path() {
    let world = World::build().route("based", "base_url: 'http://{production}/base/v1/'").start();
    let arrived = world.arrived(&world.get("/based/a?b").key(&token("all")));
    assert_eq!(arrived.target(), "/base/v1/based/a?b");
    for target in
        ["/based/../../x", "/based/..%2f..%2fx", "/based/%2e%2e/%2e%2e/x", "/based/..;/..;/x", "/based/..\\..\\x"]
    {
        assert_eq!(world.get(target).key(&token("all")).send().verdict(), "400 ambiguous_path", "{target}");
    }
    assert_eq!(world.production.count(), 1);
}

#[test]
fn w5_a_fragment_has_no_place_in_a_target() {
    let world = World::start();
    for target in ["/files/a#b", "/files/a?x=1#b", "/files/a#/../b", "/files/#", "#"] {
        let refused = raw(world.address(), request(target.as_bytes(), "all"));
        assert_eq!(refused.verdict(), "400 bad_request", "{target}");
    }
    world.assert_untouched();
}
