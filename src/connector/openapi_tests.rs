use super::*;

fn document(schemes: &str, rest: &str) -> String {
    format!(
        "openapi: 3.1.0\ninfo: {{ title: 'Acme Orders', version: '1' }}\nservers: [{{ url: 'https://api.acme.example/v1/' }}]\n\
         components:\n  securitySchemes: {schemes}\n{rest}"
    )
}

fn injected(schemes: &str) -> String {
    let imported = import(&document(schemes, ""), None, None).unwrap();
    let yaml: Value = serde_yaml::from_str(&imported.yaml).unwrap();
    assert_eq!(yaml["name"], "acme-orders");
    assert_eq!(yaml["base_url"], "https://api.acme.example/v1");
    serde_json::to_string(&yaml["inject"]).unwrap()
}

#[test]
fn c6_every_kind_of_scheme_that_has_a_place() {
    let bearer = r#"{"header":"Authorization","value":"Bearer {secret}"}"#;
    for (scheme, place) in [
        ("{ k: { type: apiKey, in: header, name: X-Acme-Key } }", r#"{"header":"X-Acme-Key"}"#),
        ("{ k: { type: apiKey, in: query, name: api_key } }", r#"{"query":"api_key"}"#),
        ("{ k: { type: apiKey, in: cookie, name: sid } }", r#"{"header":"Cookie","value":"sid={secret}"}"#),
        ("{ k: { type: http, scheme: Bearer } }", bearer),
        ("{ k: { type: oauth2, flows: {} } }", bearer),
        ("{ k: { type: http, scheme: basic } }", r#"{"basic":{"username":"{user}","password":"{secret}"}}"#),
    ] {
        assert_eq!(injected(scheme), place, "{scheme}");
    }
}

#[test]
fn c6_what_cannot_be_expressed_is_said_with_the_reason() {
    let error = |text: &str| import(text, None, None).unwrap_err().to_string();
    for (scheme, why) in [
        ("{ cert: { type: mutualTLS } }", "\"cert\" cannot be expressed: it is a client certificate"),
        ("{ d: { type: http, scheme: digest } }", "challenge"),
        ("{ h: { type: http, scheme: hoba } }", "\"hoba\""),
        ("{ b: { type: apiKey, in: body, name: k } }", "\"body\""),
        ("{ r: { $ref: 'other.yaml#/k' } }", "elsewhere"),
        ("{}", "no security schemes"),
    ] {
        assert!(error(&document(scheme, "")).contains(why), "{}", error(&document(scheme, "")));
    }
    assert_eq!(error("paths: {}"), ImportError::NotOpenApi.to_string());
    assert!(error("{ a: [").contains("not YAML"));
    let unknown = import(&document("{ k: { type: oauth2 } }", ""), None, Some("x")).unwrap_err();
    assert!(unknown.to_string().contains("there is k"), "{unknown}");
}

#[test]
fn c6_of_several_schemes_one_is_taken_with_a_note_or_by_name() {
    let several = "{ a: { type: oauth2 }, b: { type: apiKey, in: query, name: q } }";
    let asked = import(&document(several, "security: [{ b: [] }]\n"), None, None).unwrap();
    assert!(asked.yaml.contains("query: \"q\"") && asked.notes[0].contains("--scheme chooses a"), "{asked:?}");
    let named = import(&document(several, ""), Some("acme"), Some("a")).unwrap();
    assert!(named.yaml.contains("Bearer {secret}") && named.yaml.contains("name: acme\n"), "{named:?}");
    assert!(named.notes.iter().any(|n| n.contains("OAuth")), "{named:?}");
    let both = import(&document(several, "security: [{ a: [], b: [] }]\n"), None, None).unwrap();
    assert!(both.notes.iter().any(|n| n.contains("a and b together")), "{both:?}");
}

#[test]
fn c6_servers_become_a_base_url_regions_and_fields() {
    let text = "openapi: 3.0.3\ninfo: { title: Acme }\nservers:\n- url: 'https://{Tenant-Id}.acme.example:{port}/v2'\n  variables:\n    \
                Tenant-Id: { default: demo, description: 'Your\n      tenant' }\n    port: { enum: ['443', '8443'], default: '443' }\n\
                - { url: 'https://sandbox.acme.example', description: Sand box }\n- { url: /v2 }\n\
                components: { securitySchemes: { k: { type: http, scheme: bearer } } }\n";
    let imported = import(text, None, None).unwrap();
    let yaml: Value = serde_yaml::from_str(&imported.yaml).unwrap();
    assert_eq!(yaml["base_url"], "https://{tenant_id}.acme.example:{port}/v2");
    assert_eq!(yaml["regions"]["sand-box"]["base_url"], "https://sandbox.acme.example");
    assert_eq!(yaml["fields"][0]["name"], "tenant_id");
    assert_eq!(yaml["fields"][0]["doc"], "Your tenant");
    assert_eq!(yaml["fields"][1]["pattern"], "443|8443");
    assert!(imported.notes.iter().any(|n| n.contains("\"/v2\"")), "{imported:?}");
}

#[test]
fn c6_swagger_2() {
    let text = "swagger: '2.0'\ninfo: { title: Old }\nhost: api.old.example\nbasePath: /v1\nschemes: [https, http]\n\
                securityDefinitions: { k: { type: basic } }\n";
    let yaml: Value = serde_yaml::from_str(&import(text, None, None).unwrap().yaml).unwrap();
    assert_eq!(yaml["base_url"], "https://api.old.example/v1");
    assert_eq!(yaml["fields"][0]["name"], "user");
}

#[test]
fn c6_a_documents_text_stays_text() {
    let text = document("{ \"k\\n\\nx: y\": { type: apiKey, in: header, name: \"X\\nname: evil\" } }", "")
        .replace("'Acme Orders'", "\"Acme\\nname: evil\"");
    let yaml: Value = serde_yaml::from_str(&import(&text, Some("acme"), None).unwrap().yaml).unwrap();
    assert_eq!(yaml["name"], "acme");
    assert_eq!(yaml["inject"]["header"], "X\nname: evil");
}

#[test]
fn c6_characters_that_yaml_does_not_take_stay_in_the_text() {
    let text = include_str!("../../tests/fuzz/corpus/openapi/characters-that-yaml-does-not-take");
    let yaml: Value = serde_yaml::from_str(&import(text, Some("acme"), None).unwrap().yaml).unwrap();
    assert_eq!(yaml["inject"]["header"], "X\u{7f}\u{2029}Y");
    assert_eq!(yaml["base_url"], "https://{r}.a.example/\u{85}");
    assert_eq!(yaml["fields"][0]["pattern"], "\\\u{7}x|\\\u{2028}inject\\:");
    assert_eq!(yaml["fields"][0]["default"], "\u{9b}");
}
