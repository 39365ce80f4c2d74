//! The tables against themselves and against the examples that we ship.

use std::collections::BTreeSet;

use super::{
    super::{COMMENTED, MINIMAL, Mistakes, Node, load, shape::Rule, tree::Value},
    *,
};

/// Every map of a schema, with the path that leads to it.
fn maps_of(root: &'static Shape, start: &str) -> Vec<(String, &'static MapShape)> {
    fn walk(shape: &'static Shape, path: &str, found: &mut Vec<(String, &'static MapShape)>) {
        match shape {
            Shape::Map(map) => {
                found.push((path.to_owned(), map));
                for field in map.fields.iter().filter(|field| field.later.is_none()) {
                    walk(&field.shape, &format!("{path}.{}", field.name), found);
                }
            }
            Shape::Free { value, .. } => walk(value, path, found),
            shape => shape.item().into_iter().for_each(|item| walk(item, path, found)),
        }
    }
    let mut found = Vec::new();
    walk(root, start, &mut found);
    found
}

/// Those of the configuration and of connectors' files.
fn maps() -> Vec<(String, &'static MapShape)> {
    [maps_of(&ROOT, ""), maps_of(&CONNECTOR, "connector")].concat()
}

fn all_fields() -> impl Iterator<Item = (String, &'static Field)> {
    fields_of(maps())
}

/// The configuration's alone.
fn fields() -> impl Iterator<Item = (String, &'static Field)> {
    fields_of(maps_of(&ROOT, ""))
}

fn fields_of(maps: Vec<(String, &'static MapShape)>) -> impl Iterator<Item = (String, &'static Field)> {
    maps.into_iter()
        .flat_map(|(path, map)| map.fields.iter().map(move |field| (format!("{path}.{}", field.name), field)))
}

fn checked(text: &str) -> Node {
    let mut mistakes = Mistakes::new("example.yaml");
    let root = load(text, &mut mistakes);
    assert!(mistakes.is_empty(), "{mistakes}");
    root.unwrap()
}

/// The example with every setting counted, as if its reader had removed each `#` before a letter.
fn uncommented() -> String {
    let line = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => line.replacen('#', "", 1),
        _ => line.to_owned(),
    };
    COMMENTED.lines().map(|text| line(text) + "\n").collect()
}

/// The paths of the fields in a tree with the single values that stand there, and their lines.
fn written(node: &Node, path: &str, found: &mut Vec<(String, Option<String>, u32)>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let path = format!("{path}.{}", entry.key);
                found.push((path.clone(), entry.node.text().map(str::to_owned), entry.node.line));
                written(&entry.node, &path, found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| written(item, path, found)),
        _ => {}
    }
}

#[test]
fn every_field_teaches() {
    for (path, field) in all_fields() {
        let sentence = field.later.is_some() || field.doc.ends_with('.');
        assert!(sentence && field.doc.len() > 8, "{path}: {:?}", field.doc);
        assert!(!(field.required && field.default.is_some()), "{path} is required and has a default");
        let described = field.default.is_some() || field.example.is_some() || field.later.is_some();
        let plain = matches!(field.shape, Shape::Scalar(Kind::Text | Kind::Uuid) | Shape::Map(_) | Shape::List(_));
        assert!(described || plain, "{path} has neither a default nor an example");
    }
}

#[test]
fn names_are_unique_and_rules_name_fields() {
    for (path, map) in maps() {
        let names: BTreeSet<_> = map.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), map.fields.len(), "{path}");
        assert!(map.gone.iter().all(|gone| !names.contains(gone.name)), "{path}: a field is gone and there");
        for rule in map.rules {
            let mentioned = match rule {
                Rule::ExactlyOne(names) | Rule::Together(names) | Rule::AnyOf(names) => names.to_vec(),
                Rule::Needs(name, others) => [&[*name], *others].concat(),
            };
            assert!(mentioned.iter().all(|name| names.contains(name)), "{path}: {rule:?}");
        }
    }
}

#[test]
fn defaults_and_examples_of_single_values_are_valid() {
    for (path, field) in all_fields() {
        let (Shape::Scalar(kind) | Shape::OrFalse(kind)) = field.shape else {
            continue;
        };
        for text in field.default.into_iter().chain(field.example) {
            let off = matches!(field.shape, Shape::OrFalse(_)) && text == "false";
            assert!(off || kind.accepts(text.trim_matches('"')), "{path}: {text}");
        }
    }
}

#[test]
fn the_examples_pass() {
    checked(MINIMAL);
    checked(COMMENTED);
    checked(&uncommented());
}

/// Settings that are commented out show the default, wherever there is one.
#[test]
fn the_commented_example_quotes_the_defaults() {
    let root = checked(&uncommented());
    let mut found = Vec::new();
    written(&root, "", &mut found);
    let lines: Vec<&str> = COMMENTED.lines().collect();
    let mut compared = 0;
    for (path, field) in fields() {
        let Some(default) = field.default else {
            continue;
        };
        for (_, value, line) in found.iter().filter(|(written, ..)| *written == path) {
            let text = lines[*line as usize - 1].trim_start();
            if !text.starts_with('#') || path.contains(".inject.") {
                continue;
            }
            let quoted = match value {
                Some(value) => value.clone(),
                None => text.split_once(": ").map(|(_, list)| list.to_owned()).unwrap_or_default(),
            };
            assert_eq!(quoted, default, "{path} in line {line}");
            compared += 1;
        }
    }
    assert!(compared > 25, "only {compared} defaults were compared");
}

#[test]
fn the_commented_example_has_every_field() {
    let root = checked(&uncommented());
    let mut found = Vec::new();
    written(&root, "", &mut found);
    let found: BTreeSet<_> = found.into_iter().map(|(path, ..)| path).collect();
    let missing: Vec<_> =
        fields().filter(|(path, field)| field.later.is_none() && !found.contains(path)).map(|(path, _)| path).collect();
    assert_eq!(missing, Vec::<String>::new());
}
