//! What becomes of a workflow's secrets, without a store.

use super::*;
use crate::model::key::KeyId;
use crate::model::{Key, Origin};
use crate::store::Access;
use serde_json::json;

fn actor() -> Actor {
    Actor::new(&Key::new(KeyId(0), Uid([1; 16]), "admin", Origin::Store), [127, 0, 0, 1].into(), "test")
}

fn row(state: &Ring) -> ResourceRow {
    ResourceRow {
        uid: Uid([7; 16]),
        kind: Resource::Workflow,
        name: "hooks".to_owned(),
        document: json!({ "webhook": { "scheme": "github" } }).to_string(),
        state: state.text(),
        connector: String::new(),
        environment: String::new(),
        secret_version: None,
        owner: "o".to_owned(),
        access: Access::default(),
        version: 1,
        created_at: 1,
        updated_at: 1,
    }
}

fn given(secrets: &[&str]) -> Vec<Zeroizing<String>> {
    secrets.iter().map(|s| Zeroizing::new((*s).to_owned())).collect()
}

fn numbers(replaced: &Replaced) -> Vec<u32> {
    replaced.values.iter().map(|signing| signing.number).collect()
}

fn replaced(row: &ResourceRow, present: &[Arc<Signing>], secrets: &[&str]) -> Replaced {
    Replaced::by(&actor(), row, present, &given(secrets)).ok().unwrap()
}

#[test]
fn h1_a_number_is_never_given_twice() {
    let first = replaced(&row(&Ring::default()), &[], &["one", "two"]);
    assert_eq!(numbers(&first), [1, 2]);
    let second = replaced(&row(&first.ring), &first.values, &["three"]);
    assert_eq!(numbers(&second), [3]);
    assert_eq!(second.dropped.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2]);
    let none = Replaced::by_none(&row(&second.ring));
    assert_eq!((none.ring.secrets.len(), none.values.len()), (0, 0));
    let again = replaced(&row(&none.ring), &none.values, &["one"]);
    assert_eq!(numbers(&again), [4], "it is the same value, and another secret");
}

#[test]
fn h1_a_secret_that_is_sent_again_keeps_its_number() {
    let first = replaced(&row(&Ring::default()), &[], &["one", "two"]);
    let second = replaced(&row(&first.ring), &first.values, &["two", "three"]);
    assert_eq!(numbers(&second), [2, 3]);
    assert_eq!((second.added.len(), second.dropped.len()), (1, 1));
    let same = replaced(&row(&second.ring), &second.values, &["two", "three"]);
    assert!(same.is_nothing() && !second.is_nothing());
}

#[test]
fn what_is_wrong_with_a_secret_is_told_by_its_place_and_without_it() {
    let refused = |secrets: &[&str]| {
        let refusal = Replaced::by(&actor(), &row(&Ring::default()), &[], &given(secrets)).err().unwrap();
        assert!(!format!("{refusal:?}").contains("sesame"), "{refusal:?}");
        refusal.errors[0].field.clone()
    };
    assert_eq!(refused(&["one", "sesame\n1"]), "webhook.secrets[1]");
    assert_eq!(refused(&["sesame", " sesame "]), "webhook.secrets[1]");
    assert_eq!(refused(&["env:sesame"]), "webhook.secrets[0]");
    assert_eq!(refused(&["", "sesame"]), "webhook.secrets[0]");
    assert_eq!(refused(&["sesame"; MOST + 1]), "webhook.secrets");
    let trimmed = replaced(&row(&Ring::default()), &[], &[" one "]);
    assert_eq!((trimmed.ring.notices.len(), trimmed.values[0].value.as_slice()), (1, &b"one"[..]));
}

#[test]
fn secrets_stay_unless_the_list_or_the_scheme_says_otherwise() {
    let first = replaced(&row(&Ring::default()), &[], &["one"]);
    let before = row(&first.ring);
    let after = |webhook: Value, secrets: Option<&[&str]>| {
        let fields = json!({ "webhook": webhook });
        let secrets = secrets.map(given);
        edited(&actor(), &before, fields.as_object().unwrap(), &first.values, secrets.as_deref())
    };
    assert!(after(json!({ "scheme": "stripe" }), None).is_ok_and(|kept| kept.is_none()));
    let gone = after(json!({ "require": "key" }), None).ok().flatten().unwrap();
    assert_eq!((gone.dropped.len(), gone.ring.secrets.len()), (1, 0));
    let refused = after(json!({ "scheme": "stripe" }), Some(&[])).err().unwrap();
    assert_eq!(refused.errors[0].field, "webhook.secrets");
    let useless = replaced(&row(&Ring::default()), &[], &["one"]);
    let keyed = ResourceRow { document: json!({ "webhook": { "require": "key" } }).to_string(), ..before.clone() };
    let document = Document::read(Resource::Workflow, before.uid, "hooks", &Map::new()).ok().unwrap();
    assert!(useless.apply(keyed, document).is_err());
}
