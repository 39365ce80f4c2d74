//! A connection in words, for people and programs.

use super::super::connectors::slots;
use crate::assembly::Assembled;
use crate::config::scalar::{Rate, show_duration};
use crate::egress::verify::Subject;
use crate::model::Quota;
use crate::model::connection::{CallRule, ConnectionId, HttpVersion};
use serde::Serialize;
use std::fmt::Write as _;

/// A connection in words. Of its secret only where it goes.
#[derive(Serialize)]
pub struct Shown {
    name: String,
    id: String,
    environment: String,
    connector: Option<String>,
    default: bool,
    base_url: String,
    /// With templates.
    inject: String,
    headers: Vec<String>,
    /// Instead of the base URL's own address.
    addresses: Vec<String>,
    http: &'static str,
    allow_networks: Vec<String>,
    allow: Vec<Allowed>,
    rate_limit: Option<String>,
    concurrency: Option<u32>,
    retries: u32,
    timeouts: Timeouts,
    scrub: bool,
    /// What is called to verify the secret.
    verify: Option<String>,
    /// `unknown` until somebody verifies it: a file remembers nothing.
    status: &'static str,
}

#[derive(Serialize)]
struct Allowed {
    methods: Vec<String>,
    path: String,
}

#[derive(Serialize)]
struct Timeouts {
    connect: String,
    head: String,
    idle: String,
}

pub fn shown(assembled: &Assembled, id: ConnectionId) -> Shown {
    let c = assembled.snapshot.connection(id);
    let own =
        |site: &&crate::model::connection::Site| site.host != c.destination.host || site.port != c.destination.port;
    let header = |h: &crate::model::connection::ExtraHeader| format!("{}: {}", h.name, h.value.to_str().unwrap_or("…"));
    Shown {
        name: c.name.to_string(),
        id: c.uid.to_string(),
        environment: assembled.snapshot.environment(c.environment).name.to_string(),
        connector: c.connector.as_ref().map(ToString::to_string),
        default: c.default,
        base_url: c.destination.shown(),
        inject: match (c.injection.rules.as_slice(), c.secret_missing) {
            ([], false) => "nowhere".to_owned(),
            ([], true) => "nowhere yet".to_owned(),
            (rules, _) => slots(rules),
        },
        headers: c.extra_headers.iter().map(header).collect(),
        addresses: c.destination.addresses.iter().filter(own).map(ToString::to_string).collect(),
        http: match c.destination.http {
            HttpVersion::Auto => "auto",
            HttpVersion::Http1 => "1.1",
            HttpVersion::Http2 => "2",
        },
        allow_networks: c.destination.allow_networks.iter().map(ToString::to_string).collect(),
        allow: c.allow.iter().map(allowed).collect(),
        rate_limit: c.quota.map(rate),
        concurrency: c.concurrency,
        retries: c.retries,
        timeouts: Timeouts {
            connect: show_duration(c.timeouts.connect),
            head: show_duration(c.timeouts.head),
            idle: show_duration(c.timeouts.idle),
        },
        scrub: c.is_scrubbed(),
        verify: Subject::of(assembled, id).shown(),
        status: if c.secret_missing { "needs_secret" } else { "unknown" },
    }
}

fn rate(quota: Quota) -> String {
    Rate { count: quota.count.get(), per: quota.per, burst: quota.burst.get() }.to_string()
}

fn allowed(rule: &CallRule) -> Allowed {
    let segment = |s: &[u8]| percent_encoding::percent_encode(s, percent_encoding::CONTROLS).to_string();
    let path = rule.path.iter().map(|s| format!("/{}", segment(s))).collect::<String>();
    Allowed {
        methods: rule.methods.iter().map(ToString::to_string).collect(),
        path: if path.is_empty() { "/".to_owned() } else { path },
    }
}

/// One line each.
pub fn rows(all: &[Shown]) -> String {
    let head = ["NAME", "ENVIRONMENT", "CONNECTOR", "BASE URL", "THE KEY GOES TO", "STATUS"];
    let row = |c: &'_ Shown| {
        let connector = c.connector.clone().unwrap_or_else(|| "custom".to_owned());
        let default = if c.default { " (default)" } else { "" };
        [
            c.name.clone(),
            c.environment.clone(),
            connector + default,
            c.base_url.clone(),
            c.inject.clone(),
            c.status.into(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head.map(str::to_owned)).chain(all.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// All of one.
pub fn explained(c: &Shown) -> String {
    let mut out = format!("{} ({})\n\n", c.name, c.id);
    let mut line = |what: &str, text: &str| {
        let _ = writeln!(out, "{what:16}  {text}");
    };
    line("environment", &c.environment);
    let default = if c.default { ", of which it is the default here" } else { "" };
    line("connector", &format!("{}{default}", c.connector.as_deref().unwrap_or("custom")));
    line("base URL", &c.base_url);
    line("the key goes to", &c.inject);
    for header in &c.headers {
        line("header", header);
    }
    for address in &c.addresses {
        line("dialled", address);
    }
    if !c.allow_networks.is_empty() {
        line("networks", &format!("public ones, and {}", c.allow_networks.join(", ")));
    }
    line("HTTP", c.http);
    if c.allow.is_empty() {
        line("may be called", "everything");
    }
    for rule in &c.allow {
        let methods = if rule.methods.is_empty() { "any method".to_owned() } else { rule.methods.join(", ") };
        line("may be called", &format!("{methods}  {}", rule.path));
    }
    line("rate limit", c.rate_limit.as_deref().unwrap_or("none"));
    line("concurrency", &c.concurrency.map_or("not capped".to_owned(), |n| n.to_string()));
    line("retries", &c.retries.to_string());
    let t = &c.timeouts;
    line("time-outs", &format!("connect {}, head {}, idle {}", t.connect, t.head, t.idle));
    line("replies", if c.scrub { "looked through for the secret" } else { "passed on as they are" });
    line("verified by", c.verify.as_deref().unwrap_or("no way is known"));
    let status = match c.status {
        "needs_secret" => "needs_secret: every call is refused until it has one",
        _ => "unknown until asked: keystile connections verify",
    };
    line("status", status);
    out
}
