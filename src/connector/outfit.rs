//! From a connector and what a connection says to what the connection needs.

use super::{Connector, Region, Verify};
use crate::model::connection::{ExtraHeader, InjectRule};
use http::HeaderValue;
use std::collections::HashMap;

/// What a connection says of its connector's choices.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    pub region: Option<&'a str>,
    pub fields: &'a [(&'a str, &'a str)],
    /// The connection has a base URL of its own.
    pub own_base_url: bool,
    /// The connection says itself where the secret goes.
    pub own_inject: bool,
}

/// What a connection gets from its connector.
#[derive(Debug, Default)]
pub struct Outfit {
    /// `None` if the connection says it.
    pub base_url: Option<String>,
    /// Whether the chosen place is for trying out; `None` where the provider makes no difference, or where the
    /// connection chose another place.
    pub sandbox: Option<bool>,
    /// Empty if the connection says it, or if the secret is a URL.
    pub inject: Vec<InjectRule>,
    pub headers: Vec<ExtraHeader>,
    pub verify: Option<Verify>,
}

/// What is wrong with a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// C7: all that is missing, each as it is written.
    Missing(Vec<String>),
    UnknownRegion,
    UnknownField(String),
    /// The value of a field does not fit it.
    Unfit(String),
}

/// The values of fields, with defaults.
#[derive(Debug, Default)]
pub struct Values<'a>(HashMap<&'a str, String>);

impl Connector {
    /// What a connection with these choices gets, or everything that is wrong with them.
    pub fn outfit(&self, choice: &Choice<'_>) -> Result<Outfit, Vec<Lack>> {
        let mut lacks = Vec::new();
        let region = choice.region.and_then(|name| self.region(name));
        if choice.region.is_some() && region.is_none() {
            lacks.push(Lack::UnknownRegion);
        }
        let url = match choice.own_base_url {
            true => None,
            false => region.map(|r| &r.base_url).or(self.base_url.as_ref()),
        };
        let inject = match choice.own_inject {
            true => &[][..],
            false => region.map(|r| &r.inject[..]).filter(|i| !i.is_empty()).unwrap_or(&self.inject),
        };
        let values = self.values(choice.fields, &mut lacks);
        let mut missing = self.missing(&values, url, inject);
        if url.is_none() && !choice.own_base_url && choice.region.is_none() {
            missing.insert(0, if self.regions.is_empty() { "base_url" } else { "region" }.to_owned());
        }
        if !missing.is_empty() {
            lacks.push(Lack::Missing(missing));
        }
        if !lacks.is_empty() {
            return Err(lacks);
        }
        Ok(self.fill(region, url, inject, &values, choice.own_base_url))
    }

    fn values<'a>(&'a self, given: &[(&'a str, &str)], lacks: &mut Vec<Lack>) -> Values<'a> {
        let mut values = Values::default();
        for (name, _) in given.iter().filter(|(name, _)| !self.fields.iter().any(|f| f.name == *name)) {
            lacks.push(Lack::UnknownField((*name).to_owned()));
        }
        for field in &self.fields {
            let said = given.iter().find(|(name, _)| *name == field.name).map(|(_, value)| (*value).to_owned());
            let Some(value) = said.or_else(|| field.default.as_deref().and_then(|text| values.fill(text))) else {
                continue;
            };
            if !fits(self, field, &value) {
                lacks.push(Lack::Unfit(field.name.clone()));
            }
            values.0.insert(&field.name, value);
        }
        values
    }

    /// What is required, and what the URL and the injection cannot do without.
    fn missing(&self, values: &Values<'_>, url: Option<&String>, inject: &[InjectRule]) -> Vec<String> {
        let texts = url.map(String::as_str).into_iter().chain(inject.iter().flat_map(templates));
        let used: Vec<&str> = texts.flat_map(placeholders).collect();
        let needed = self.fields.iter().filter(|f| f.required || used.contains(&f.name.as_str()));
        // What a default lacks is named itself.
        let absent = |f: &&super::Field| f.default.is_none() && !values.0.contains_key(f.name.as_str());
        needed.filter(absent).map(|f| f.name.clone()).collect()
    }

    fn fill(
        &self,
        region: Option<&Region>,
        url: Option<&String>,
        inject: &[InjectRule],
        values: &Values<'_>,
        elsewhere: bool,
    ) -> Outfit {
        let header = |h: &super::Header| {
            let value = HeaderValue::try_from(values.fill(&h.value)?).ok()?;
            Some(ExtraHeader { name: h.name.clone(), value, always: h.always })
        };
        Outfit {
            base_url: url.and_then(|text| values.fill(text)),
            sandbox: (self.has_sandbox() && !elsewhere).then(|| region.is_some_and(|r| r.sandbox)),
            inject: inject.iter().filter_map(|rule| fill_rule(rule, values)).collect(),
            headers: self.headers.iter().filter_map(header).collect(),
            verify: self.verify.as_ref().and_then(|v| v.filled(values)),
        }
    }
}

/// Whether a value may stand for a field: it fits the pattern, and where a URL names the field, it holds nothing that
/// could lead elsewhere.
fn fits(connector: &Connector, field: &super::Field, value: &str) -> bool {
    let urls = connector.base_url.iter().chain(connector.regions.iter().map(|r| &r.base_url));
    let paths = connector.verify.iter().map(|v| &v.path);
    let in_url = urls.chain(paths).any(|text| placeholders(text).any(|name| name == field.name));
    let plain = |b: u8| match in_url {
        true => b.is_ascii_alphanumeric() || b"-._:".contains(&b),
        false => b.is_ascii_graphic() && !b"{}".contains(&b),
    };
    (1..=256).contains(&value.len()) && value.bytes().all(plain) && field.pattern.is_match(value)
}

impl Values<'_> {
    /// `template` with the values of the fields that it names; `None` if one has none. `{secret}` stays.
    pub fn fill(&self, template: &str) -> Option<String> {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, name, after)) = next(rest) {
            out.push_str(before);
            match name {
                "secret" => out.push_str("{secret}"),
                name => out.push_str(self.0.get(name)?),
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }
}

/// The fields that a text names.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let (_, name, after) = next(rest)?;
        rest = after;
        Some(name)
    })
    .filter(|name| *name != "secret")
}

/// What stands before the next `{name}`, the name, and what follows. Other braces, as in a JSON body, are text.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| from + at) {
        let name = &text[open + 1..];
        let end =
            name.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(name.len());
        if end > 0 && name[end..].starts_with('}') {
            return Some((&text[..open], &name[..end], &name[end + 1..]));
        }
        from = open + 1;
    }
    None
}

/// The texts of a rule that may name fields.
pub(super) fn templates(rule: &InjectRule) -> Vec<&str> {
    match rule {
        InjectRule::Header { value, .. } | InjectRule::Query { value, .. } => vec![value],
        InjectRule::Basic { username, password } => vec![username, password],
        InjectRule::Path { prefix } => vec![prefix],
        InjectRule::WholePath => vec![],
    }
}

fn fill_rule(rule: &InjectRule, values: &Values<'_>) -> Option<InjectRule> {
    Some(match rule {
        InjectRule::Header { name, value } => InjectRule::Header { name: name.clone(), value: values.fill(value)? },
        InjectRule::Query { name, value } => InjectRule::Query { name: name.clone(), value: values.fill(value)? },
        InjectRule::Basic { username, password } => {
            InjectRule::Basic { username: values.fill(username)?, password: values.fill(password)? }
        }
        InjectRule::Path { prefix } => InjectRule::Path { prefix: values.fill(prefix)? },
        InjectRule::WholePath => InjectRule::WholePath,
    })
}

impl Verify {
    /// With the values of a connection; `None` if it lacks one that the call needs.
    fn filled(&self, values: &Values<'_>) -> Option<Verify> {
        let body = match &self.body {
            Some(text) => Some(values.fill(text)?),
            None => None,
        };
        let mut headers = self.headers.clone();
        headers.retain_mut(|h| values.fill(&h.value).map(|v| h.value = v).is_some());
        Some(Verify { path: values.fill(&self.path)?, headers, body, ..self.clone() })
    }
}
