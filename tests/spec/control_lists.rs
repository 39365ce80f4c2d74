//! S3: lists, page by page, of the file's and the store's together.

use crate::support::{Api, Managed, digest, token};
use serde_json::json;

/// Every name, fetched so many at a time, and how many pages it took.
fn paged(api: &Api, path: &str, limit: usize) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = api.get(&format!("{path}limit={limit}{cursor}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match page["next"].as_str() {
            None => return (names, pages),
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

/// Keys k01, k03, … of the file, k02, k04, … of the store.
fn keys() -> Managed {
    let key = |n: usize| format!("  - {{ name: k{n:02}, primary: '{}' }}\n", digest(&token(&format!("k{n}"))));
    let file = format!("keys:\n{}", (0..20).map(|n| key(2 * n + 1)).collect::<String>());
    let gateway = Managed::beside(&file, &[]);
    for n in 1..=20 {
        let environment = if n % 2 == 0 { "Test" } else { "Production" };
        let body =
            json!({ "name": format!("k{:02}", 2 * n), "environment": environment, "title": format!("Number {n}") });
        gateway.api().create("keys", body);
    }
    gateway
}

#[test]
fn s3_every_item_stands_on_one_page_in_order() {
    let gateway = keys();
    let api = gateway.api();
    let all: Vec<String> = std::iter::once("admin".to_owned()).chain((1..=40).map(|n| format!("k{n:02}"))).collect();
    for limit in [1, 3, 7, 40, 41, 1000] {
        let (names, pages) = paged(&api, "/keys?", limit);
        assert_eq!(names, all, "{limit}");
        assert_eq!(pages, all.len().div_ceil(limit), "{limit}: no page is empty");
    }
    let (file, _) = paged(&api, "/keys?origin=file&", 6);
    let (store, _) = paged(&api, "/keys?origin=store&", 6);
    assert_eq!((file.len(), store.len()), (20, 21));
    assert!(file.iter().all(|name| name.as_bytes()[2] % 2 == 1), "{file:?}");
    // What comes and goes meanwhile does not move the rest.
    let first = api.get("/keys?limit=10");
    api.done("DELETE", "/keys/k02", json!(null));
    api.create("keys", json!({ "name": "a-new-one" }));
    let (rest, _) = paged(&api, &format!("/keys?cursor={}&", first["next"].as_str().unwrap()), 1000);
    assert_eq!(rest, all[10..]);
}

#[test]
fn s3_keys_are_found_by_state_environment_and_words() {
    let gateway = keys();
    let api = gateway.api();
    api.post("/keys/k02/disable");
    api.post("/keys/k04/revoke");
    api.edit("/keys/k06", json!({ "expires_at": "2020-01-01T00:00:00Z" }));
    for (status, name) in [("disabled", "k02"), ("revoked", "k04"), ("expired", "k06")] {
        assert_eq!(api.names(&format!("/keys?status={status}")), [name]);
    }
    assert_eq!(api.names("/keys?status=enabled&limit=1000").len(), 38);
    let (test, _) = paged(&api, "/keys?environment=Test&", 3);
    assert_eq!(test, (1..=10).map(|n| format!("k{:02}", 4 * n)).collect::<Vec<_>>());
    assert_eq!(
        api.names("/keys?q=NUMBER%201&status=enabled"),
        ["k20", "k22", "k24", "k26", "k28", "k30", "k32", "k34", "k36", "k38"]
    );
    assert_eq!(api.names("/keys?q=K0&origin=file"), ["k01", "k03", "k05", "k07", "k09"]);
    api.refused("GET", "/keys?environment=Nowhere", json!(null), "404 environment_not_found");
    api.refused("GET", "/keys?limit=0", json!(null), "400 invalid_parameter");
    api.refused("GET", "/keys?state=enabled", json!(null), "400 unknown_parameter");
}

#[test]
fn s3_connections_are_found_by_connector_and_environment_wherever_they_stand() {
    let file = "connections:
  - { name: file-home, base_url: 'http://{production}' }
  - { name: file-stripe, connector: stripe }
  - { name: file-test, environment: Test, base_url: 'http://{test}' }
";
    let gateway = Managed::beside(file, &[]);
    let api = gateway.api();
    for (name, environment, connector) in
        [("home", None, None), ("stripe-1", None, Some("stripe")), ("test", Some("Test"), None)]
    {
        let mut body = json!({ "name": name });
        let fields = body.as_object_mut().unwrap();
        match connector {
            Some(connector) => fields.insert("connector".to_owned(), connector.into()),
            None => fields.insert("base_url".to_owned(), format!("http://{}", gateway.test.address).into()),
        };
        fields.extend(environment.map(|environment| ("environment".to_owned(), environment.into())));
        api.create("connections", body);
    }
    let home = ["file-home", "file-stripe", "home", "stripe-1"];
    assert_eq!(api.names("/connections?environment=Production"), home, "without a word it is the default one (E5)");
    assert_eq!(api.names("/connections?environment=Test"), ["file-test", "test"]);
    assert_eq!(api.names("/connections?connector=stripe"), ["file-stripe", "stripe-1"]);
    assert_eq!(api.names("/connections?connector=stripe&environment=Test"), [""; 0]);
    assert_eq!(paged(&api, "/connections?environment=Production&", 1), (home.map(str::to_owned).to_vec(), 4));
}
