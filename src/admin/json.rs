//! Bodies before they are believed: JSON, an object, no field twice, not nested without end.
//!
//! A field that stands twice is read as the first by some and as the last by others; what was reviewed would not be what is
//! done. The text is judged where it lies: a secret in it is not copied.

use serde::de::IgnoredAny;
use std::collections::HashSet;
use zeroize::Zeroizing;

/// As in the configuration file.
const MAX_DEPTH: usize = 32;

/// Why a text is no body of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Syntax {
        line: usize,
        column: usize,
    },
    NotAnObject,
    /// The field's name.
    Repeated(String),
    TooDeep,
}

impl Fault {
    pub fn detail(&self) -> String {
        match self {
            Fault::Syntax { line, column } => format!("not valid JSON, at line {line}, column {column}"),
            Fault::NotAnObject => "the body is not a JSON object".to_owned(),
            Fault::Repeated(name) => format!("the field {} stands there twice", crate::config::scalar::quoted(name)),
            Fault::TooDeep => format!("nested more than {MAX_DEPTH} levels deep"),
        }
    }
}

/// The names of the object's fields.
pub fn object(text: &str) -> Result<Vec<String>, Fault> {
    // Reads without keeping anything, and without recursion. Its message may quote the text, so only the place is told.
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| Fault::Syntax { line: error.line(), column: error.column() })?;
    if !text.trim_start().starts_with('{') {
        return Err(Fault::NotAnObject);
    }
    names(text)
}

/// An object or a list that is open.
struct Open {
    is_object: bool,
    names: HashSet<String>,
    expects_name: bool,
}

/// Walks over valid JSON.
fn names(text: &str) -> Result<Vec<String>, Fault> {
    let bytes = text.as_bytes();
    let (mut open, mut top): (Vec<Open>, Vec<String>) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                if open.len() >= MAX_DEPTH {
                    return Err(Fault::TooDeep);
                }
                let is_object = *byte == b'{';
                open.push(Open { is_object, names: HashSet::new(), expects_name: is_object });
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                if let Some(inner) = open.last_mut() {
                    inner.expects_name = inner.is_object;
                }
            }
            b'"' => {
                let end = string_end(bytes, at);
                let quoted = text.get(at..end).unwrap_or_default();
                let depth = open.len();
                match open.last_mut().filter(|inner| inner.expects_name) {
                    Some(inner) => {
                        inner.expects_name = false;
                        let name = decoded(quoted, text, at)?;
                        if depth == 1 {
                            top.push(name.to_string());
                        }
                        if !inner.names.insert(name.to_string()) {
                            return Err(Fault::Repeated(name.to_string()));
                        }
                    }
                    // What was passed over may still hold half of a surrogate pair.
                    None if quoted.contains("\\u") => drop(decoded(quoted, text, at)?),
                    None => {}
                }
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let end = number_end(bytes, at);
                // Whoever reads it later could not hold it.
                if !text[at..end].parse::<f64>().is_ok_and(f64::is_finite) {
                    return Err(syntax(text, at));
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(top)
}

/// Behind the number that begins at `at`.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let of_a_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    at + bytes[at..].iter().take_while(|byte| of_a_number(byte)).count()
}

/// Behind the closing quote of the string that begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn decoded(quoted: &str, text: &str, at: usize) -> Result<Zeroizing<String>, Fault> {
    serde_json::from_str::<String>(quoted).map(Zeroizing::new).map_err(|_| syntax(text, at))
}

/// What stands at `at` is not JSON.
fn syntax(text: &str, at: usize) -> Fault {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().len() + 1;
    Fault::Syntax { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn names_of_the_outermost_object_are_told() {
        assert_eq!(
            object(r#" {"a":{"b":1},"c":["d",{"a":"x:{"}],"\u0065":null} "#),
            Ok(["a", "c", "e"].map(String::from).to_vec())
        );
        assert_eq!(object("{}"), Ok(vec![]));
    }

    #[test]
    fn a_number_that_nobody_can_hold_is_no_number_and_its_place_is_told() {
        let at = |line, column| Err(Fault::Syntax { line, column });
        assert_eq!(object(r#"{"a":{"b":10e90265526}}"#), at(1, 11));
        assert_eq!(object("{\"a\":[1,\n-1e400]}"), at(2, 1));
        assert_eq!(
            object(r#"{"a":1e308,"b":-0.0e-400,"c":123456789012345678901234567890}"#).map(|names| names.len()),
            Ok(3)
        );
    }

    #[test]
    fn a_field_stands_once_however_it_is_spelt() {
        let twice = |name: &str| Err(Fault::Repeated(name.to_owned()));
        assert_eq!(object(r#"{"secret":"a","secret":"b"}"#), twice("secret"));
        assert_eq!(object(r#"{"secret":"a","s\u0065cret":"b"}"#), twice("secret"));
        assert_eq!(object(r#"{"a":[{"b":1,"b":1}]}"#), twice("b"));
        assert!(object(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#).is_ok());
        assert!(object(r#"{"a":"a","b":"a"}"#).is_ok());
    }

    #[test]
    fn what_is_no_object_of_bounded_depth_is_refused() {
        for bad in ["", "{", "{}x", "{'a':1}", "{\"a\":1,}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}", "nul"] {
            assert!(matches!(object(bad), Err(Fault::Syntax { .. })), "{bad}: {:?}", object(bad));
        }
        for other in ["[]", "1", "null", "\"{\""] {
            assert_eq!(object(other), Err(Fault::NotAnObject), "{other}");
        }
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(&nested(MAX_DEPTH - 1)).is_ok());
        assert_eq!(object(&nested(MAX_DEPTH)), Err(Fault::TooDeep));
        assert!(object(&nested(500_000)).is_err(), "without recursion");
    }

    #[test]
    fn a_fault_never_quotes_a_value() {
        let fault = object(r#"{"secret": "hunter2-hunter2" x}"#).unwrap_err();
        assert!(!fault.detail().contains("hunter2"), "{}", fault.detail());
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_parser_that_keeps_everything(text in r#"[\[\]{}",:a\\ u0d81n]{0,40}"#) {
            let parsed = serde_json::from_str::<Value>(&text);
            match object(&text) {
                Ok(names) => {
                    let map = parsed.unwrap();
                    let mut sorted = names;
                    sorted.sort();
                    prop_assert_eq!(sorted, map.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
                }
                Err(Fault::Syntax { .. }) => prop_assert!(parsed.is_err()),
                Err(Fault::NotAnObject) => prop_assert_ne!(text.trim_start().chars().next(), Some('{')),
                Err(_) => {}
            }
        }
    }
}
