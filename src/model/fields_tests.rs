use super::*;
use proptest::prelude::*;

/// What can be done to fields: by name's number, and value.
#[derive(Debug, Clone)]
enum Step {
    Append(u8, u8),
    Insert(u8, u8),
    Remove(u8),
    IfAbsent(u8, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..4u8, 0..6u8, any::<u8>()).prop_map(|(kind, name, value)| match kind {
        0 => Step::Append(name, value),
        1 => Step::Insert(name, value),
        2 => Step::Remove(name),
        _ => Step::IfAbsent(name, value),
    });
    proptest::collection::vec(step, 0..40)
}

fn name(number: u8) -> HeaderName {
    match number {
        0 => http::header::HOST,
        1 => http::header::AUTHORIZATION,
        n => HeaderName::try_from(format!("x-{n}")).unwrap(),
    }
}

proptest! {
    /// Beside the map that everybody knows.
    #[test]
    fn what_a_map_holds_these_hold(steps in steps()) {
        let (mut fields, mut map) = (Fields::new(), HeaderMap::new());
        for step in steps {
            match step {
                Step::Append(n, v) => {
                    fields.append(name(n), u16::from(v).into());
                    map.append(name(n), u16::from(v).into());
                }
                Step::Insert(n, v) => {
                    fields.insert(name(n), u16::from(v).into());
                    map.insert(name(n), u16::from(v).into());
                }
                Step::Remove(n) => prop_assert_eq!(fields.remove(name(n)), map.remove(name(n))),
                Step::IfAbsent(n, v) => {
                    fields.insert_if_absent(name(n), u16::from(v).into());
                    map.entry(name(n)).or_insert(u16::from(v).into());
                }
            }
            prop_assert_eq!(fields.len(), map.len());
            for n in 0..6 {
                prop_assert_eq!(fields.get(name(n)), map.get(name(n)));
                prop_assert_eq!(fields.get_all(name(n)).collect::<Vec<_>>(), map.get_all(name(n)).iter().collect::<Vec<_>>());
                prop_assert_eq!(fields.contains_key(name(n).as_str()), map.contains_key(name(n)));
            }
        }
        prop_assert_eq!(HeaderMap::from(fields.clone()), map.clone());
        let (read, collected) = (Fields::from(map.clone()), fields.clone().into_iter().collect::<Fields>());
        for n in 0..6 {
            prop_assert_eq!((read.get(name(n)), collected.get(name(n))), (map.get(name(n)), map.get(name(n))));
        }
        prop_assert_eq!((HeaderMap::from(read), collected), (map, fields));
    }
}
