//! What a single value can be, by the words of the schema.

use super::{
    reference::{Reference, Slot},
    scalar::{self, Wrong},
};

/// A kind of scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The name of a resource.
    Name,
    /// Free text for people.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number between two bounds.
    Integer { least: u64, most: u64 },
    /// `10s`
    Duration,
    /// `16KiB`
    Size,
    /// `600/min burst 50`
    Rate,
    /// `127.0.0.1:8082` or `unix:PATH`
    Address,
    /// `0660`
    Mode,
    /// `engine-2.internal:5678`
    Site,
    /// `10.0.0.0/8`
    Cidr,
    /// `https://api.example.com/v1`
    Url,
    /// `https://{store}.example.com`
    UrlTemplate,
    /// `account`: what a connector calls something it needs.
    FieldName,
    /// A regular expression.
    Pattern,
    /// `401` or `4xx`
    Status,
    /// `2027-06-30T00:00:00Z`
    Timestamp,
    /// `env:NAME`, `file:PATH`, or the secret.
    SecretRef,
    /// `blake3:…`, `env:NAME`, `file:PATH`, or the token.
    Slot,
    /// A file or directory.
    Path,
    /// The name of a header that carries a credential.
    HeaderName,
    /// The name of a query parameter.
    QueryName,
    /// `sha256:…`, of a certificate.
    Fingerprint,
    /// A name in a certificate.
    CertificateName,
    /// `GET`
    Method,
    /// `GET /customers/{id}`
    Template,
    /// An id.
    Uuid,
    /// `KEYS_*`
    EnvGlob,
    /// `Bearer {secret}`
    Injected,
    /// `/bot{secret}`
    InjectPath,
    /// `/v1/charges`
    CallPath,
    /// `stdout`, `stderr`, `off` or `file:PATH`
    LogTarget,
    /// `sqlite:PATH`
    Store,
    /// Where a master key comes from: never the key itself.
    MasterKey,
    /// One of a few words.
    Enum(&'static [&'static str]),
}

/// What is said about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted.
    Fine,
    /// Accepted, with a warning.
    Doubtful(Wrong),
    /// Refused.
    Bad(Wrong),
}

impl Kind {
    /// Judges a value.
    pub fn check(self, text: &str) -> Verdict {
        let result = match self {
            Kind::Name => scalar::name(text).map(drop),
            Kind::Text => scalar::text(text).map(drop),
            Kind::Bool => scalar::flag(text).map(drop),
            Kind::Integer { least, most } => scalar::integer(text, least, most).map(drop),
            Kind::Duration => scalar::duration(text).map(drop),
            Kind::Size => scalar::size(text).map(drop),
            Kind::Rate => scalar::rate(text).map(drop),
            Kind::Address => scalar::address(text).map(drop),
            Kind::Mode => scalar::mode(text).map(drop),
            Kind::Site => scalar::site(text).map(drop),
            Kind::Cidr => scalar::cidr(text).map(drop),
            Kind::Url => scalar::url(text).map(drop),
            Kind::UrlTemplate => scalar::url_template(text).map(drop),
            Kind::FieldName => scalar::field_name(text).map(drop),
            Kind::Pattern => scalar::pattern(text).map(drop),
            Kind::Status => scalar::status(text).map(drop),
            Kind::Timestamp => scalar::timestamp(text).map(drop),
            Kind::SecretRef => return secret(Reference::parse(text)),
            Kind::Slot => return slot(Slot::parse(text)),
            Kind::Path => scalar::path(text).map(drop),
            Kind::HeaderName => scalar::header_name(text).map(drop),
            Kind::QueryName => scalar::query_name(text).map(drop),
            Kind::Fingerprint => scalar::fingerprint(text).map(drop),
            Kind::CertificateName => scalar::certificate_name(text).map(drop),
            Kind::Method => scalar::method(text).map(drop),
            Kind::Template => scalar::template(text).map(drop),
            Kind::Uuid => scalar::uuid(text).map(drop),
            Kind::EnvGlob => scalar::env_glob(text).map(drop),
            Kind::Injected => scalar::injected(text).map(drop),
            Kind::InjectPath => scalar::inject_path(text).map(drop),
            Kind::CallPath => scalar::call_path(text).map(drop),
            Kind::LogTarget => scalar::log_target(text).map(drop),
            Kind::Store => scalar::store(text).map(drop),
            Kind::MasterKey => scalar::master_key(text).map(drop),
            Kind::Enum(words) => one_of(text, words),
        };
        result.map_or_else(Verdict::Bad, |()| Verdict::Fine)
    }

    /// Whether a value may be read: it is fine, or only doubtful.
    pub fn accepts(self, text: &str) -> bool {
        !matches!(self.check(text), Verdict::Bad(_))
    }

    /// As it may be shown to whoever may see the configuration.
    pub fn show(self, text: &str) -> String {
        match self {
            _ if !self.accepts(text) => "<not valid>".to_owned(),
            Kind::SecretRef => Reference::parse(text).map_or_else(|_| String::new(), |r| r.to_string()),
            Kind::Slot => match Slot::parse(text) {
                Ok(Slot::Reference(reference)) => reference.to_string(),
                _ => text.to_owned(),
            },
            _ => text.to_owned(),
        }
    }

    /// What it is called in messages.
    pub fn describe(self) -> String {
        let what = match self {
            Kind::Name => "a name",
            Kind::Text => "text",
            Kind::Bool => "true or false",
            Kind::Integer { least, most } => {
                return format!("a whole number from {least} to {most}");
            }
            Kind::Duration => "a duration such as 10s",
            Kind::Size => "a size such as 16KiB",
            Kind::Rate => "a rate such as 100/s or 600/min burst 50",
            Kind::Address => "an address such as 127.0.0.1:8082, or unix:PATH",
            Kind::Mode => "the rights of a file such as 0660",
            Kind::Site => "a host and a port such as engine-2.internal:5678",
            Kind::Cidr => "a network such as 10.0.0.0/8",
            Kind::Url => "a URL such as https://api.example.com",
            Kind::UrlTemplate => "a URL such as https://api.example.com or https://{store}.example.com",
            Kind::FieldName => "the name of a field, such as account",
            Kind::Pattern => "a regular expression",
            Kind::Status => "a status such as 401 or 4xx",
            Kind::Timestamp => "a moment such as 2027-06-30T00:00:00Z",
            Kind::SecretRef => "env:NAME or file:PATH",
            Kind::Slot => "a digest (blake3:…), env:NAME or file:PATH",
            Kind::Path => "a path",
            Kind::HeaderName => "the name of a header",
            Kind::QueryName => "the name of a query parameter",
            Kind::Fingerprint => "a fingerprint such as sha256:9f86d0…",
            Kind::CertificateName => "a name in a certificate",
            Kind::Method => "a method such as GET",
            Kind::Template => "a template such as GET /customers/{id}",
            Kind::Uuid => "a UUID",
            Kind::EnvGlob => "the name of an environment variable, with * for any characters",
            Kind::Injected => "text with {secret} in it",
            Kind::InjectPath => "a path with {secret} in it",
            Kind::CallPath => "a path such as /v1/charges",
            Kind::LogTarget => "stdout, stderr, off or file:PATH",
            Kind::Store => "a database such as sqlite:keystile.db",
            Kind::MasterKey => "env:NAME, file:PATH or vault:URL",
            Kind::Enum(words) => return words.join(" or "),
        };
        what.to_owned()
    }

    /// A regular expression for editors: a first help while typing. It may accept more than [`Kind::check`], never
    /// less.
    pub fn pattern(self) -> Option<&'static str> {
        Some(match self {
            Kind::Name => "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
            Kind::Duration => "^[0-9]+(ms|s|m|h|d)$",
            Kind::Size => "^[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB)?$",
            Kind::Rate => "^[0-9]+/(s|sec|min|h|hour|day)( burst [0-9]+)?$",
            Kind::Address => "^(unix:.+|.+:[0-9]+)$",
            Kind::Mode => "^0?[0-7]{3}$",
            Kind::Site => "^.+:[0-9]+$",
            Kind::Cidr => "^[0-9A-Fa-f.:]+(/[0-9]+)?$",
            Kind::Url => "^[Hh][Tt][Tt][Pp][Ss]?://[^@?#]+$",
            Kind::UrlTemplate => "^https?://[^@?#]+$",
            Kind::FieldName => "^[a-z][a-z0-9_]{0,31}$",
            Kind::Status => "^[1-5]([0-9][0-9]|xx)$",
            Kind::Timestamp => "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T].+$",
            Kind::QueryName => "^[A-Za-z0-9._~-]+$",
            Kind::Fingerprint => "^sha256:[0-9A-Fa-f:]{64,95}$",
            Kind::Method => "^[A-Z-]+$",
            Kind::Template => "^[A-Z-]+ /[^?#% ]*$",
            Kind::Uuid => "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
            Kind::EnvGlob => "^[A-Za-z0-9_*]+$",
            Kind::InjectPath => "^/.*[{]secret[}].*$",
            Kind::CallPath => "^/[^?#%]*$",
            Kind::Store => "^sqlite:.+$",
            Kind::MasterKey => "^(env|file|vault):.+$",
            Kind::LogTarget => "^(stdout|stderr|off|file:.+)$",
            _ => return None,
        })
    }
}

fn one_of(text: &str, words: &[&str]) -> Result<(), Wrong> {
    if words.contains(&text) {
        return Ok(());
    }
    let words = words.join(" or ");
    let reason = format!("{} is not {words}", scalar::quoted(text));
    Err(Wrong::new(reason, &words))
}

fn slot(slot: Result<Slot<'_>, Wrong>) -> Verdict {
    match slot {
        Ok(Slot::Digest(_)) => Verdict::Fine,
        Ok(Slot::Reference(Reference::Literal(_))) => {
            let remedy = "its digest instead, as `keystile keys digest` prints it";
            Verdict::Doubtful(Wrong::new("a literal token in the file", remedy))
        }
        Ok(Slot::Reference(reference)) => secret(Ok(reference)),
        Err(wrong) => Verdict::Bad(wrong),
    }
}

fn secret(reference: Result<Reference<'_>, Wrong>) -> Verdict {
    match reference {
        Ok(Reference::Literal(_)) => {
            let remedy = "env:NAME or file:PATH, so that the file can be shown and shared";
            Verdict::Doubtful(Wrong::new("a literal secret in the file", remedy))
        }
        Ok(_) => Verdict::Fine,
        Err(wrong) => Verdict::Bad(wrong),
    }
}
