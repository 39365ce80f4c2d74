//! The catalogue itself, and connectors' files with mistakes in them.

use super::*;
use crate::connector::{Choice, Lack, Look};

fn connector(name: &str) -> Connector {
    let (file, text) = BUILT_IN.iter().find(|(file, _)| *file == format!("{name}.yaml")).unwrap();
    let mistakes = RefCell::new(Mistakes::new(file));
    let connector = read(text, &mistakes, None);
    assert!(mistakes.borrow().is_empty(), "{}", mistakes.borrow());
    connector.unwrap()
}

fn mistakes(text: &str) -> String {
    let mistakes = RefCell::new(Mistakes::new("acme.yaml"));
    read(text, &mistakes, None);
    mistakes.into_inner().to_string()
}

/// A made-up key: never whole in this file, so that nobody takes it for one.
fn made(parts: &[(&str, usize)]) -> String {
    parts.iter().map(|(text, times)| text.repeat(*times)).collect()
}

#[test]
fn c6_every_file_of_the_catalogue_is_sound_and_named_after_its_connector() {
    let names: Vec<String> =
        BUILT_IN.iter().map(|(file, _)| connector(file.trim_end_matches(".yaml")).name.to_string()).collect();
    let files: Vec<&str> = BUILT_IN.iter().map(|(file, _)| file.trim_end_matches(".yaml")).collect();
    assert_eq!(names, files);
    assert_eq!(names.len(), 16);
    assert_eq!(Catalogue::built_in().iter().count(), 16);
}

#[test]
fn c6_a_connector_says_where_to_go_where_the_secret_goes_and_how_to_try_it() {
    for (file, _) in BUILT_IN.iter().filter(|(file, _)| *file != "custom.yaml") {
        let connector = connector(file.trim_end_matches(".yaml"));
        let fields: Vec<(&str, &str)> =
            connector.fields.iter().map(|f| (f.name.as_str(), f.example.as_str())).collect();
        let places = connector.regions.iter().map(|r| Some(r.name.as_str())).chain([None]);
        for region in places {
            let choice = Choice { region, fields: &fields, own_base_url: false, own_inject: false };
            let outfit = connector.outfit(&choice).unwrap_or_else(|lacks| panic!("{file}: {lacks:?}"));
            let url = outfit.base_url.unwrap();
            assert!(url.starts_with("https://") && scalar::url(&url).is_ok(), "{file}: {url}");
            assert_eq!(outfit.inject.len(), 1, "{file}");
            assert_eq!(outfit.headers.len(), connector.headers.len(), "{file}");
            let verify = outfit.verify.unwrap_or_else(|| panic!("{file}: how is a secret tried?"));
            assert!(!verify.path.contains('{'), "{file}");
            for meaning in [Meaning::Active, Meaning::BadKey] {
                let said = verify.rules.iter().any(|r| r.meaning == meaning);
                assert!(said || *file == "mailgun.yaml", "{file} never says {}", meaning.name());
            }
        }
        assert!(!connector.secret.patterns.is_empty() && connector.documentation.is_some(), "{file}");
    }
}

#[test]
fn c9_the_forms_of_keys() {
    let uuid = made(&[("a", 8), ("-", 1), ("b", 4), ("-", 1), ("c", 4), ("-", 1), ("d", 4), ("-", 1), ("e", 12)]);
    let middle = "T3Blbk".to_owned() + "FJ";
    let keys: &[(&str, String, Option<Mark>)] = &[
        ("openai", made(&[("sk-", 1), ("proj-", 1), ("a", 74), (&middle, 1), ("b", 74)]), None),
        ("openai", made(&[("sk-", 1), ("a", 20), (&middle, 1), ("b", 20)]), None),
        ("anthropic", made(&[("sk-", 1), ("ant-api03-", 1), ("a", 93), ("A", 2)]), None),
        ("gemini", made(&[("AI", 1), ("za", 1), ("b", 35)]), None),
        ("gemini", made(&[("AQ", 1), (".", 1), ("b", 50)]), None),
        ("stripe", made(&[("sk_", 1), ("live_", 1), ("a", 24)]), Some(Mark::Live)),
        ("stripe", made(&[("sk_", 1), ("test_", 1), ("a", 99)]), Some(Mark::Test)),
        ("stripe", made(&[("rk_", 1), ("live_", 1), ("a", 99)]), Some(Mark::Live)),
        ("sendgrid", made(&[("SG", 1), (".", 1), ("a", 22), (".", 1), ("b", 43)]), None),
        ("mailgun", made(&[("a", 32), ("-", 1), ("b", 8), ("-", 1), ("c", 8)]), None),
        ("mailgun", made(&[("key", 1), ("-", 1), ("c", 32)]), None),
        ("telegram", made(&[("1", 10), (":", 1), ("A", 35)]), None),
        ("airtable", made(&[("pat", 1), ("A", 14), (".", 1), ("b", 64)]), None),
        ("notion", made(&[("ntn_", 1), ("1", 11), ("A", 35)]), None),
        ("postmark", uuid.clone(), None),
        ("postmark", "POSTMARK_API_TEST".to_owned(), Some(Mark::Test)),
        ("slack-webhook", made(&[("/services/", 1), ("T0", 4), ("/B", 1), ("1", 8), ("/", 1), ("x", 24)]), None),
        ("github", made(&[("ghp", 1), ("_", 1), ("a", 36)]), None),
        ("github", made(&[("github", 1), ("_pat_", 1), ("a", 82)]), None),
        ("hubspot", format!("pat-{}{uuid}", "na1-"), None),
        ("shopify", made(&[("shp", 1), ("at_", 1), ("a", 32)]), None),
        ("twilio", made(&[("0", 32)]), None),
        ("twilio", made(&[("aB", 16)]), None),
    ];
    for (name, key, mark) in keys {
        let form = connector(name).secret;
        let look = form.look_of(key.as_bytes());
        assert!(matches!(look, Look::Known(_)), "{name}: {} characters", key.len());
        assert_eq!(look.mark(), *mark, "{name}");
        for other in ["", "hunter2", &key[1..], &key[..key.len() - 5], &format!("{key}\n"), &format!(" {key}")] {
            let fits = matches!(form.look_of(other.as_bytes()), Look::Known(_));
            // Some forms have no fixed length.
            let open =
                matches!(*name, "openai" | "anthropic" | "gemini" | "stripe" | "github" | "slack-webhook" | "telegram");
            assert!(!fits || (open && other.trim() == other), "{name}: {other:?}");
        }
    }
}

#[test]
fn an_installations_token_is_tried_elsewhere() {
    let form = connector("github").secret;
    let token = made(&[("ghs", 1), ("_", 1), ("a", 36)]);
    let Look::Known(pattern) = form.look_of(token.as_bytes()) else { panic!("unknown") };
    assert!(pattern.verify_path.as_deref().unwrap().starts_with("/installation"));
}

fn choose(name: &str, region: Option<&str>, fields: &[(&str, &str)]) -> Result<String, Vec<Lack>> {
    let choice = Choice { region, fields, own_base_url: false, own_inject: false };
    connector(name).outfit(&choice).map(|outfit| outfit.base_url.unwrap_or_default())
}

#[test]
fn c7_what_is_missing_is_named_all_at_once() {
    assert_eq!(choose("shopify", None, &[]), Err(vec![Lack::Missing(vec!["store".into()])]));
    assert_eq!(choose("twilio", None, &[]), Err(vec![Lack::Missing(vec!["account".into()])]));
    assert_eq!(choose("custom", None, &[]), Err(vec![Lack::Missing(vec!["base_url".into()])]));
    assert_eq!(choose("github", Some("enterprise"), &[]), Err(vec![Lack::Missing(vec!["host".into()])]));
    assert!(choose("github", None, &[]).is_ok());
    assert_eq!(choose("stripe", Some("eu"), &[]), Err(vec![Lack::UnknownRegion]));
    let several = choose("shopify", Some("eu"), &[("shop", "acme")]).unwrap_err();
    assert_eq!(several.len(), 3, "{several:?}");
}

#[test]
fn a_fields_value_never_leads_elsewhere() {
    assert_eq!(choose("shopify", None, &[("store", "acme")]).as_deref(), Ok("https://acme.myshopify.com"));
    for bad in ["evil.example/", "a@b", "a/../b", "a#", "a?b", "{secret}", "a b", "", "A", &"a".repeat(300)] {
        assert_eq!(choose("shopify", None, &[("store", bad)]), Err(vec![Lack::Unfit("store".into())]), "{bad}");
    }
}

#[test]
fn twilios_user_is_the_account_unless_it_is_said() {
    let account = "AC".to_owned() + &"0".repeat(32);
    let user = "SK".to_owned() + &"1".repeat(32);
    let inject = |fields: &[(&str, &str)]| {
        let choice = Choice { region: None, fields, own_base_url: false, own_inject: false };
        connector("twilio").outfit(&choice).unwrap().inject
    };
    let basic = |username: &str| vec![InjectRule::Basic { username: username.into(), password: "{secret}".into() }];
    assert_eq!(inject(&[("account", &account)]), basic(&account));
    assert_eq!(inject(&[("account", &account), ("user", &user)]), basic(&user));
}

#[test]
fn mistakes_in_a_connectors_file_name_file_line_and_field() {
    let text = "name: acme\ntitle: Acme\nbase_url: https://{region}.acme.example\n\
                inject: { basic: { username: '{who}', password: '{secret}' } }\n\
                fields: [{ name: store, doc: The store., pattern: '[a-z', example: a }]\n\
                verify: { path: me, rules: [{ status: 7xx, meaning: fine, says: So. }] }\n";
    let said = mistakes(text);
    for place in ["acme.yaml:3:", "acme.yaml:4:", "acme.yaml:5:", "acme.yaml:6:"] {
        assert!(said.contains(place), "{place} in\n{said}");
    }
    assert!(said.contains("{region} is no field of this connector") && said.contains("{who}"), "{said}");
    assert!(said.contains("fields[store].pattern"), "{said}");
    let url = mistakes("name: a\ntitle: A\nsecret: { kind: url }\ninject: { header: X-A }\n");
    assert!(url.contains("acme.yaml:4:") && url.contains("whole URL"), "{url}");
}
