use std::{fmt::Write, time::Instant};

use super::*;

fn read(text: &str) -> (Option<Node>, Vec<String>) {
    let mut mistakes = Mistakes::new("k.yaml");
    let root = parse(text, &mut mistakes);
    let lines = mistakes.into_sorted().into_iter();
    let lines = lines.map(|m| format!("{}:{} {}: {}", m.line, m.column, m.path, m.reason));
    (root, lines.collect())
}

fn good(text: &str) -> Node {
    let (root, mistakes) = read(text);
    assert_eq!(mistakes, Vec::<String>::new());
    root.unwrap()
}

fn place(node: &Node) -> (u32, u32) {
    (node.line, node.column)
}

#[test]
fn remembers_where_everything_stands() {
    let root = good("a: 1\nb:\n  - c: x\n    d: [y, z]\n");
    assert_eq!(place(root.field("a").unwrap()), (1, 4));
    let Value::List(items) = &root.field("b").unwrap().value else { panic!("b is a list") };
    assert_eq!(place(&items[0]), (3, 5));
    let entry = items[0].entry("d").unwrap();
    assert_eq!((entry.key_line, entry.key_column), (4, 5));
    let Value::List(letters) = &entry.node.value else { panic!("d is a list") };
    assert_eq!((place(&entry.node), place(&letters[1])), ((4, 8), (4, 12)));
}

#[test]
fn scalars_stay_text() {
    let root = good("country: no\nnumber: 0x10\nquoted: \"null\"\nnothing: null\nempty:\nblock: |\n  a\n  b\n");
    assert_eq!(root.field("country").unwrap().text(), Some("no"));
    assert_eq!(root.field("number").unwrap().text(), Some("0x10"));
    assert_eq!(root.field("quoted").unwrap().text(), Some("null"));
    assert_eq!(root.field("block").unwrap().text(), Some("a\nb\n"));
    assert_eq!(root.field("nothing").unwrap().value, Value::Null);
    assert_eq!(root.field("empty").unwrap().value, Value::Null);
}

#[test]
fn an_empty_file_is_nothing() {
    for text in ["", "# only a comment\n", "---\n"] {
        assert_eq!(good(text).value, Value::Null, "{text:?}");
    }
    assert!(good("\u{feff}a: 1\r\n").field("a").is_some());
}

#[test]
fn several_mistakes_at_once_with_their_paths() {
    let text = "keys:\n  - name: acme\n    rate_limit: 1/s\n    rate_limit: 2/s\n  - id: !!str 7\n? [a]\n: b\n<<: {}\n";
    let (root, mistakes) = read(text);
    assert!(root.is_some());
    assert_eq!(
        mistakes,
        [
            "4:5 keys[acme].rate_limit: written twice: here and in line 3",
            "5:9 keys[1].id: tags are not supported",
            "6:3 : a list cannot be the name of a field",
            "8:1 : merge keys are not supported",
        ]
    );
}

#[test]
fn syntax_has_a_place() {
    let (root, mistakes) = read("a: 1\nb: [1, 2\nc: 3\n");
    assert!(root.is_none());
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].contains("not valid YAML"), "{mistakes:?}");
    let (root, mistakes) = read("a: secret-value: x\n");
    assert!(root.is_none() && !mistakes[0].contains("secret-value"), "{mistakes:?}");
}

#[test]
fn one_document_per_file() {
    let (root, mistakes) = read("a: 1\n---\nb: 2\n");
    assert!(root.is_none());
    assert_eq!(mistakes, ["2:1 : a second document in one file"]);
}

#[test]
fn aliases_stand_for_what_was_anchored() {
    let root = good("a: &x { t: 1s }\nb: *x\nc: &y word\nd: *y\n");
    assert_eq!(root.field("b").unwrap().field("t").unwrap().text(), Some("1s"));
    assert_eq!(root.field("d").unwrap().text(), Some("word"));
    assert!(read("a: &x [*x]\n").0.is_none());
    assert!(read("a: *nobody\n").0.is_none());
}

#[test]
fn a_billion_laughs_are_a_mistake() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let (root, mistakes) = read(&text);
    assert!(root.is_none() && mistakes[0].contains("aliases stand for more"), "{mistakes:?}");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 16), vec!["*a"; 4096].join(", "));
    assert!(read(&long).0.is_none());
}

#[test]
fn depth_is_bounded() {
    for text in ["[".repeat(10_000), "a: ".repeat(10_000), "- ".repeat(10_000)] {
        assert!(read(&text).0.is_none());
    }
    let nested: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(read(&nested).1[0].contains("levels deep"));
}

#[test]
fn large_files_take_proportional_time() {
    let started = Instant::now();
    let mut text = "keys:\n".to_owned();
    for n in 0..10_000 {
        write!(text, "  - name: key-{n}\n    primary: env:A{n}\n    workflows: [a, b]\n").unwrap();
    }
    text.push_str("upstream:\n");
    (0..20_000).for_each(|n| writeln!(text, "  e{n}: c").unwrap());
    let root = good(&text);
    assert!(matches!(&root.field("keys").unwrap().value, Value::List(keys) if keys.len() == 10_000));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn duplicates_are_found_in_large_maps_too() {
    let mut text: String = (0..1000).map(|n| format!("e{n}: c\n")).collect();
    text.push_str("e999: d\ne3: d\n");
    assert_eq!(
        read(&text).1,
        ["1001:1 e999: written twice: here and in line 1000", "1002:1 e3: written twice: here and in line 4"]
    );
}
