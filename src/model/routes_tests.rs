use super::*;

fn routes(templates: &[&str]) -> Routes {
    let mut routes = Routes::default();
    for (at, t) in templates.iter().enumerate() {
        routes.add(&Template::parse(t).unwrap(), WorkflowId(at as u32)).unwrap();
    }
    routes
}

fn find(routes: &Routes, method: &str, path: &str) -> Found {
    let segments: Vec<&str> = path[1..].split('/').collect();
    routes.find(&method.parse().unwrap(), &segments)
}

#[test]
fn w4_the_most_specific_template_wins() {
    let r = routes(&["GET /a/{x}", "GET /{y}/b", "GET /a/b/{rest...}", "GET /{all...}", "POST /a/b"]);
    assert_eq!(find(&r, "GET", "/a/1"), Found::Workflow(WorkflowId(0)));
    assert_eq!(find(&r, "GET", "/z/b"), Found::Workflow(WorkflowId(1)));
    assert_eq!(find(&r, "GET", "/a/b"), Found::Workflow(WorkflowId(0)), "POST's literal does not hide GET's");
    assert_eq!(find(&r, "GET", "/a/b/c/d"), Found::Workflow(WorkflowId(2)));
    assert_eq!(find(&r, "GET", "/q/r/s"), Found::Workflow(WorkflowId(3)));
    assert_eq!(find(&r, "POST", "/a/b"), Found::Workflow(WorkflowId(4)));
}

#[test]
fn w4_the_same_method_and_shape_twice_is_an_overlap() {
    let mut r = routes(&["GET /a/{x}"]);
    assert_eq!(r.add(&Template::parse("GET /a/{y}").unwrap(), WorkflowId(1)), Err(Overlap(WorkflowId(0))));
    assert_eq!(r.add(&Template::parse("POST /a/{y}").unwrap(), WorkflowId(1)), Ok(()));
    assert_eq!(r.add(&Template::parse("GET /a/{y...}").unwrap(), WorkflowId(2)), Ok(()));
}

#[test]
fn w1_methods_and_head() {
    let r = routes(&["GET /a", "POST /a", "HEAD /h", "GET /h", "PUT /p"]);
    assert_eq!(find(&r, "HEAD", "/a"), Found::Workflow(WorkflowId(0)));
    assert_eq!(find(&r, "HEAD", "/h"), Found::Workflow(WorkflowId(2)));
    assert_eq!(find(&r, "DELETE", "/a"), Found::OtherMethods(vec![Method::GET, Method::HEAD, Method::POST]));
    assert_eq!(find(&r, "HEAD", "/p"), Found::OtherMethods(vec![Method::PUT]));
    assert_eq!(find(&r, "GET", "/b"), Found::Nothing);
    assert_eq!(find(&r, "GET", "/a/"), Found::Nothing, "a trailing slash is another path");
}

#[test]
fn hazard_6_what_looks_like_a_literal_beside_it_is_ambiguous() {
    let r = routes(&[
        "GET /{x}/list",
        "GET /admin/list",
        "GET /files/{rest...}",
        "GET /files/private",
        "GET /files/a/secret",
    ]);
    for path in [
        "/Admin/list",
        "/admin./list",
        "/admin;v=1/list",
        "/ADMIN /list",
        "/files/Private",
        "/files/private;x",
        "/files/private/",
        "/%61dmin/list",
        "/files/a/Secret",
        "/files/A/secret",
        "/files/a/secret.",
        "/files/a;b/secret/",
        "/files/a/secret/",
    ] {
        assert_eq!(find(&r, "GET", path), Found::LookAlike, "{path}");
    }
    for (path, found) in [
        ("/administrator/list", 0),
        ("/admin/list", 1),
        ("/files/x", 2),
        ("/files/private", 3),
        ("/files/a/secret", 4),
        ("/files/a/other", 2),
        ("/files/", 2),
        ("/files/x/", 2),
        ("/files/private/more", 2),
    ] {
        assert_eq!(find(&r, "GET", path), Found::Workflow(WorkflowId(found)), "{path}");
    }
    assert_eq!(find(&r, "GET", "/Files/x"), Found::Nothing, "nobody else takes it");
}

#[test]
fn hazard_6_a_trailing_slash_never_makes_it_another_workflows_path() {
    let r = routes(&["GET /c/{id}", "GET /c/{rest...}"]);
    assert_eq!(find(&r, "GET", "/c/1"), Found::Workflow(WorkflowId(0)));
    assert_eq!(find(&r, "GET", "/c/1/"), Found::LookAlike);
    assert_eq!(find(&r, "GET", "/c/1/2/"), Found::Workflow(WorkflowId(1)));
}

#[test]
fn two_literals_that_look_alike_are_each_themselves() {
    let r = routes(&["GET /a/X", "GET /a/x", "GET /a/{y}"]);
    assert_eq!(find(&r, "GET", "/a/X"), Found::Workflow(WorkflowId(0)));
    assert_eq!(find(&r, "GET", "/a/x"), Found::Workflow(WorkflowId(1)));
    for trimmed in ["x.", "x ", "x\t", "x\x0c\x0b", "x\r\n", "x\x1f", "x .\t;y"] {
        assert_eq!(find(&r, "GET", &format!("/a/{trimmed}")), Found::LookAlike, "{trimmed:?}");
    }
    assert_eq!(find(&r, "GET", "/a/z"), Found::Workflow(WorkflowId(2)));
}

#[test]
fn a_placeholder_never_takes_an_empty_segment_but_the_rest_may_be_empty() {
    let r = routes(&["GET /a/{x}", "GET /b/{x...}"]);
    assert_eq!(find(&r, "GET", "/a/"), Found::Nothing);
    assert_eq!(find(&r, "GET", "/b/"), Found::Workflow(WorkflowId(1)));
    assert_eq!(find(&r, "GET", "/b"), Found::Nothing);
}
