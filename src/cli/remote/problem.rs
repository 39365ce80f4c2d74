//! A refusal of the gateway (RFC 9457), in words.

use super::table::printable;
use http::StatusCode;
use serde_json::Value;
use std::fmt;

/// What the gateway refused, as it is printed behind `keystile: `.
#[derive(Debug)]
pub struct Problem(String);

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Problem {
    /// `None` if it is no problem document of ours.
    pub fn read(status: StatusCode, body: &Value) -> Option<Problem> {
        let said = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
        let code = said("code")?;
        let detail = said("detail").or(said("title")).unwrap_or(code);
        let mut text = printable(detail);
        let mut line = |indent: &str, what: &str| text.extend(["\n", indent, what]);
        let mistakes = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        // One alone is the detail and the hint already.
        let is_told = |wrong: &Value| wrong["reason"].as_str().is_some_and(|reason| detail.contains(reason));
        for wrong in mistakes.iter().filter(|wrong| mistakes.len() > 1 || !is_told(wrong)) {
            line("  ", &mistake(wrong));
        }
        for dependant in dependants(&body["dependants"]) {
            line("  ", &dependant);
        }
        match said("hint") {
            Some(hint) => line("  ", &printable(hint)),
            None => line("  ", &format!("{} {}", status.as_u16(), printable(code))),
        }
        if status == StatusCode::UNAUTHORIZED {
            line("  ", "a new token: keystile login");
        }
        if status.is_server_error()
            && let Some(id) = said("request_id")
        {
            line("  ", &format!("the gateway's log says more of request {}", printable(id)));
        }
        Some(Problem(text))
    }
}

/// `rate_limit: "x" is not a rate: write 100/s`
fn mistake(wrong: &Value) -> String {
    let said = |name: &str| wrong[name].as_str().filter(|text| !text.is_empty()).map(printable);
    [said("field"), said("reason"), said("remedy")].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// R2: a line for each kind of what still needs a resource.
pub fn dependants(all: &Value) -> Vec<String> {
    let kind = |(kind, names): (&String, &Value)| {
        let names: Vec<String> = names.as_array()?.iter().map(named).collect();
        (!names.is_empty()).then(|| format!("{}: {}", printable(kind), names.join(", ")))
    };
    let mut lines: Vec<String> = all.as_object().into_iter().flatten().filter_map(kind).collect();
    if let Some(last) = all["last_used_at"].as_str() {
        lines.push(format!("last used: {}", super::times::ago(last)));
    }
    lines
}

fn named(one: &Value) -> String {
    printable(one.as_str().or(one["name"].as_str()).unwrap_or("?"))
}

/// Whether anything needs it. When it was used last is no need.
pub fn is_needed(dependants: &Value) -> bool {
    dependants.as_object().into_iter().flatten().any(|(_, names)| names.as_array().is_some_and(|n| !n.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(status: u16, body: Value) -> String {
        Problem::read(StatusCode::from_u16(status).unwrap(), &body).unwrap().to_string()
    }

    #[test]
    fn a_problem_is_told_with_its_hint_mistakes_and_dependants() {
        let body = json!({
            "code": "in_use", "detail": "the connection stripe is in use", "hint": "add ?force=true",
            "dependants": { "workflows": ["pay", "refund"], "keys": [{ "name": "shop" }], "last_used_at": null },
        });
        let expected = "the connection stripe is in use\n  keys: shop\n  workflows: pay, refund\n  add ?force=true";
        assert_eq!(text(409, body), expected);
        let body = json!({ "code": "invalid_field", "title": "Two fields are wrong", "hint": "keystile config schema",
            "errors": [{ "field": "rate_limit", "reason": "\"x\" is not a rate", "remedy": "write: 100/s" }] });
        let expected =
            "Two fields are wrong\n  rate_limit: \"x\" is not a rate: write: 100/s\n  keystile config schema";
        assert_eq!(text(422, body), expected);
    }

    #[test]
    fn hazard_33_no_part_of_a_problem_reaches_the_terminal_as_it_is() {
        let bad = "a\u{1b}[2J";
        let whole = json!({ "code": bad, "detail": bad, "hint": bad, "request_id": bad, "dependants": { bad: [bad] },
            "errors": [{ "field": bad, "reason": "b", "remedy": bad }, { "field": "c" }] });
        for body in [whole, json!({ "code": bad }), json!({ "code": bad, "dependants": { "last_used_at": bad } })] {
            assert!(!text(500, body.clone()).contains('\u{1b}'), "{body}");
        }
    }

    #[test]
    fn a_single_mistake_is_told_once() {
        let wrong = json!({ "field": "base_url", "reason": "it is loopback", "remedy": "add: allow_networks" });
        let body = json!({ "code": "invalid", "detail": "base_url: it is loopback", "hint": "add: allow_networks", "errors": [wrong] });
        assert_eq!(text(422, body), "base_url: it is loopback\n  add: allow_networks");
    }

    #[test]
    fn hazard_33_terminal_escapes_in_problems_are_escaped() {
        let told = text(404, json!({ "code": "not_found", "detail": "\u{1b}]0;owned\u{7}", "hint": "a\nb\u{202e}" }));
        assert!(!told.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{told:?}");
    }

    #[test]
    fn what_is_no_problem_document_is_not_taken_for_one() {
        assert!(Problem::read(StatusCode::NOT_FOUND, &json!({ "error": "nginx" })).is_none());
        assert!(Problem::read(StatusCode::NOT_FOUND, &json!(null)).is_none());
    }
}
