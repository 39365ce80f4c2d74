use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// The whole file by the parser, as every other file is read.
fn whole(text: &str) -> Option<Node> {
    let mut mistakes = Mistakes::new("k.yaml");
    parse(text, &mut mistakes).filter(|_| mistakes.is_empty())
}

/// The file with its keys cut out, read one by one, and put back; none where that is not done.
fn apart(text: &str) -> Option<Node> {
    let (rest, items) = Items::cut(Box::new(Cursor::new(text.to_owned()))).ok()??;
    let mut root = whole(&rest).filter(|root| items.belong_to(root))?;
    let mut list = Vec::new();
    items
        .each(|index, node| {
            assert_eq!(index, list.len());
            list.push(node)
        })
        .ok()?;
    let Value::Map(entries) = &mut root.value else { return None };
    let keys = entries.iter_mut().find(|entry| &*entry.key == "keys")?;
    let first = list.first()?;
    // Where the list itself stands is the one thing that only the parser knows; nothing is said of it.
    keys.node = Node { line: first.line, column: 0, value: Value::List(list) };
    Some(root)
}

fn without_place_of_list(mut root: Node) -> Node {
    if let Value::Map(entries) = &mut root.value
        && let Some(keys) = entries.iter_mut().find(|entry| &*entry.key == "keys")
    {
        keys.node.column = 0;
    }
    root
}

const PLAIN: &str = "\
listeners: { inbound: [{ address: 127.0.0.1:1 }] }
keys:
  - name: a
    primary: blake3:00
    workflows: [run, \"walk\", w.3]
    connections: []
    rate_limit: 600/min burst 50
    expires_at: 2040-01-01T00:00:00Z
    title: \"A: 'caller' & its #1\"
    enabled: false

  # of team b
  - name: b
    environment: null
log: { access: off }
";

#[test]
fn what_is_written_plainly_is_read_as_the_parser_reads_it() {
    let read = apart(PLAIN).unwrap();
    assert_eq!(read, without_place_of_list(whole(PLAIN).unwrap()));
    let Value::List(keys) = &read.field("keys").unwrap().value else { panic!() };
    assert_eq!((keys[1].line, read.field("log").unwrap().line), (13, 15));
    assert!(plain("  - name: a\n    enabled: false\n", 1, 2, &mut Shared::default()).is_some());
}

#[test]
fn an_item_that_is_not_plain_is_read_by_the_parser_alone() {
    let text = "keys:\n- name: a\n  workflows:\n  - run\n  title: |\n    two\n\n    lines\n- {name: b, primary: 'x y'}\n-\u{20}\n";
    assert_eq!(apart(text).unwrap(), without_place_of_list(whole(text).unwrap()));
}

#[test]
fn what_makes_sense_only_in_its_place_is_read_whole() {
    let texts = [
        "keys:\n- name: &a x\n- name: *a\n",
        "log: \"text\nkeys:\n- name: x\n\"\n",
        "keys:\n  - name: x\n - name: y\n",
        "keys:\n  - name: \"x\n  - name: y\"\n",
        "keys:\n  name: x\n",
        "keys:\n  - name: x\n   bad: 1\n",
        "keys:\n  - name: x\nkeys:\n  - name: y\n",
        "a: [1,\nkeys:\n- 1\n]\n",
        "keys: [{ name: x }]\n",
        "keys:\n  -\tname: x\n",
        "keys:\n  - name: x\n    # a comment\r    enabled: false\n",
        "keys:\n  # a comment\0\n  - name: x\n",
        "keys:\n  - name: x\n    # a comment\u{85}    enabled: false\n",
        "keys:\n  - name: x\n    # a comment\u{2028}    enabled: false\n",
        "keys:\n  - name: x\n    # a comment\u{7f}\n",
        "keys:\n- |\n ot\n\n\r\r ",
        "keys:\n  - name: x\n\r    enabled: false\n",
        "keys:\n- name: |+\n\n- name: x\n",
        "keys:\n  - name: x\n\u{85}log: {}\n",
        "keys:\n  - ? name\n  - name: x\n",
        "keys:\n  - name: |\n\n  - name: x\n",
    ];
    for text in texts {
        assert_eq!(apart(text), None, "{text}");
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9][a-z0-9:. /+_-]{0,8}",
        "\"[ -~]{0,6}\"",
        "'[ -~]{0,6}'",
        "[ -~]{0,8}",
        "\\[[a-z0-9\", .:-]{0,10}\\]",
        "(null|~|true|\\[\\]|\\{\\}|\\||>|&a|\\*a|!t x)",
    ]
}

fn line() -> impl Strategy<Value = String> {
    let field = (prop_oneof!["[a-c]", "[A-Za-z_ -]{1,3}"], prop_oneof![": ", ":", ":  "], word());
    let indent = prop_oneof![8 => Just("    "), 4 => Just("  - "), 1 => Just("  "), 1 => Just(""), 1 => Just("- "), 1 => Just("      ")];
    let written = (indent, field).prop_map(|(indent, (name, colon, value))| format!("{indent}{name}{colon}{value}\n"));
    prop_oneof![12 => written, 1 => Just("\n".to_owned()), 1 => Just("  # a\n".to_owned()), 1 => "[ -~]{0,6}\n"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// There is one reading of a file: this way is not taken, or leads to what the parser reads.
    #[test]
    fn there_is_one_reading_of_a_file(
        before in prop_oneof![Just(String::new()), Just("a: 1\n".to_owned()), "[ -~]{0,8}\n"],
        lines in proptest::collection::vec(line(), 1..8),
        behind in prop_oneof![Just(String::new()), Just("z: 1\n".to_owned()), "[ -~]{0,8}\n"],
    ) {
        let text = format!("{before}keys:\n  - a: b\n{}{behind}", lines.concat());
        if let Some(read) = apart(&text) {
            prop_assert_eq!(Some(read), whole(&text).map(without_place_of_list), "{}", text);
        }
    }
}
