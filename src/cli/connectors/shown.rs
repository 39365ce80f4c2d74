//! A connector in words, for people and programs.

use crate::connector::{self, CUSTOM, Connector, Mark};
use crate::model::connection::InjectRule;
use serde::Serialize;
use std::fmt::Write as _;

/// A connector in words.
#[derive(Serialize)]
pub struct Shown {
    pub name: String,
    pub title: String,
    documentation: Option<String>,
    pub base_url: Option<String>,
    /// Where the key goes.
    pub inject: String,
    regions: Vec<Place>,
    fields: Vec<Needed>,
    headers: Vec<Extra>,
    secret: Option<String>,
    forms: Vec<Form>,
    verify: Option<Tried>,
    /// `built in`, or the file.
    from: String,
    /// To paste.
    connection: String,
}

#[derive(Serialize)]
struct Place {
    name: String,
    title: Option<String>,
    base_url: String,
    sandbox: bool,
}

#[derive(Serialize)]
struct Needed {
    name: String,
    doc: String,
    example: String,
    required: bool,
    /// Places whose base URL names it.
    needed_for: Vec<String>,
    default: Option<String>,
}

#[derive(Serialize)]
struct Extra {
    name: String,
    value: String,
    always: bool,
}

#[derive(Serialize)]
struct Form {
    name: String,
    mark: Option<&'static str>,
}

#[derive(Serialize)]
struct Tried {
    call: String,
    replies: Vec<Reply>,
}

#[derive(Serialize)]
struct Reply {
    status: String,
    meaning: &'static str,
    says: String,
    remedy: Option<String>,
}

pub fn shown(c: &Connector) -> Shown {
    let mark = |mark: &Mark| match mark {
        Mark::Live => "live",
        Mark::Test => "test",
    };
    Shown {
        name: c.name.to_string(),
        title: c.title.clone(),
        documentation: c.documentation.clone(),
        base_url: c.base_url.clone(),
        inject: slots(&c.inject),
        regions: c.regions.iter().map(place).collect(),
        fields: c.fields.iter().map(|f| needed(c, f)).collect(),
        headers: c
            .headers
            .iter()
            .map(|h| Extra { name: h.name.to_string(), value: h.value.clone(), always: h.always })
            .collect(),
        secret: c.secret.doc.clone(),
        forms: c
            .secret
            .patterns
            .iter()
            .map(|p| Form { name: p.name.clone(), mark: p.mark.as_ref().map(mark) })
            .collect(),
        verify: c.verify.as_ref().map(tried),
        from: c.file.clone().unwrap_or_else(|| "built in".to_owned()),
        connection: connection(c),
    }
}

fn place(region: &connector::Region) -> Place {
    Place {
        name: region.name.clone(),
        title: region.title.clone(),
        base_url: region.base_url.clone(),
        sandbox: region.sandbox,
    }
}

fn needed(c: &Connector, field: &connector::Field) -> Needed {
    let names = |r: &&connector::Region| connector::placeholders(&r.base_url).any(|name| name == field.name);
    Needed {
        needed_for: c.regions.iter().filter(names).map(|r| format!("region {}", r.name)).collect(),
        name: field.name.clone(),
        doc: field.doc.clone(),
        example: field.example.clone(),
        required: field.required,
        default: field.default.clone(),
    }
}

fn tried(verify: &connector::Verify) -> Tried {
    let status =
        |(first, last): &(u16, u16)| if first == last { first.to_string() } else { format!("{}xx", first / 100) };
    let reply = |rule: &connector::Rule| Reply {
        status: rule.status.iter().map(status).collect::<Vec<_>>().join(", "),
        meaning: rule.meaning.name(),
        says: rule.says.clone(),
        remedy: rule.remedy.clone(),
    };
    Tried { call: format!("{} {}", verify.method, verify.path), replies: verify.rules.iter().map(reply).collect() }
}

/// Where a secret goes, with templates.
pub fn slots(rules: &[InjectRule]) -> String {
    let slot = |rule: &InjectRule| match rule {
        InjectRule::Header { name, value } => format!("{name}: {value}"),
        InjectRule::Query { name, value } => format!("?{name}={value}"),
        InjectRule::Basic { username, password } => format!("Basic {username}:{password}"),
        InjectRule::Path { prefix } => format!("{prefix}/…"),
        InjectRule::WholePath => "the secret is the URL".to_owned(),
    };
    match rules {
        [] => "as the connection says".to_owned(),
        rules => rules.iter().map(slot).collect::<Vec<_>>().join(", "),
    }
}

/// A connection with all that is required, and in comments all that is possible.
fn connection(c: &Connector) -> String {
    let name = &c.name;
    let mut out = format!("connections:\n  - name: {name}-production\n    connector: {name}\n");
    if let [first, ..] = &c.regions[..] {
        let all = c.regions.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(", ");
        let sign = if c.base_url.is_none() { "" } else { "#" };
        let _ = writeln!(out, "    {sign}region: {}   # of: {all}", first.name);
    } else if c.base_url.is_none() {
        out += "    base_url: https://api.example.com\n";
    }
    let needed: Vec<&str> = c.base_url.as_deref().into_iter().flat_map(connector::placeholders).collect();
    let needed = |f: &&connector::Field| f.default.is_none() && (f.required || needed.contains(&f.name.as_str()));
    if !c.fields.is_empty() {
        let _ = writeln!(out, "    {}fields:", if c.fields.iter().any(|f| needed(&f)) { "" } else { "#" });
    }
    for field in &c.fields {
        let value = serde_json::Value::from(field.example.as_str());
        let _ =
            writeln!(out, "      {}{}: {value}   # {}", if needed(&field) { "" } else { "#" }, field.name, field.doc);
    }
    if &**name == CUSTOM {
        out += "    inject: { header: X-API-Key }\n";
    }
    let variable = name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    out + &format!("    secret: env:{variable}_{}\n", if c.secret.is_url { "URL" } else { "KEY" })
}

pub fn explained(c: &Shown) -> String {
    let mut out = format!("{} ({}), {}\n\n", c.title, c.name, c.from);
    let mut line = |what: &str, text: &str| {
        let _ = writeln!(out, "{what:16}  {text}");
    };
    line("base URL", c.base_url.as_deref().unwrap_or("as the connection or its region says"));
    for region in &c.regions {
        let sandbox = if region.sandbox { " (sandbox)" } else { "" };
        let title = region.title.as_ref().map(|t| format!(": {t}")).unwrap_or_default();
        line("region", &format!("{}  {}{title}{sandbox}", region.name, region.base_url));
    }
    line("the key goes to", &c.inject);
    for header in &c.headers {
        let when = if header.always { "replaces the caller's" } else { "if the caller sends none" };
        line("header", &format!("{}: {} ({when})", header.name, header.value));
    }
    for field in &c.fields {
        let what = match (&field.default, field.required) {
            (Some(default), _) => format!("default {default}"),
            (None, true) => "required".to_owned(),
            (None, false) if !field.needed_for.is_empty() => format!("for {}", field.needed_for.join(", ")),
            (None, false) => "optional".to_owned(),
        };
        line("field", &format!("{}: {} ({what}; such as {})", field.name, field.doc, field.example));
    }
    if let Some(doc) = &c.secret {
        line("the secret", doc);
    }
    for form in &c.forms {
        line("  looks like", &format!("{}{}", form.name, form.mark.map(|m| format!(" [{m}]")).unwrap_or_default()));
    }
    if let Some(verify) = &c.verify {
        line("verified by", &verify.call);
        for reply in &verify.replies {
            line(&format!("  {}", reply.status), &format!("{}: {}", reply.meaning, reply.says));
        }
    }
    if let Some(url) = &c.documentation {
        line("documentation", url);
    }
    out + "\nA connection to paste:\n\n" + &c.connection
}
