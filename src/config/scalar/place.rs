//! Places: addresses, networks, URLs, files, and the parts of a request.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use http::{HeaderName, Uri};
use ipnet::IpNet;

use super::{Wrong, quoted};
use crate::model::connection::Site;
use crate::model::listener::Address;
use crate::model::template::Template;

/// `0.0.0.0:8443`, `[::]:8443` or `unix:/run/keystile.sock`. No host names: which address they mean is decided
/// elsewhere and can change.
pub fn address(text: &str) -> Result<Address, Wrong> {
    if let Some(socket) = text.strip_prefix("unix:") {
        return path(socket).map(|path| Address::Unix(path.into()));
    }
    text.parse().map(Address::Tcp).map_err(|_| {
        let remedy = "an IP address and a port, such as 127.0.0.1:8082 or [::]:8443, or unix:PATH";
        Wrong::is_not(text, "an address to listen on", remedy)
    })
}

/// `10.0.0.0/8`; a bare address is itself alone.
pub fn cidr(text: &str) -> Result<IpNet, Wrong> {
    let single = text.parse::<IpAddr>().ok().map(IpNet::from);
    let Some(network) = single.or_else(|| text.parse().ok()) else {
        let remedy = "an address or a network, such as 203.0.113.7 or 10.0.0.0/8";
        return Err(Wrong::is_not(text, "a network", remedy));
    };
    // Whoever writes 10.1.2.3/8 means either one host or a whole network; we do not guess which.
    if network.addr() != network.network() {
        let (host, whole) = (network.addr(), network.trunc());
        let remedy = format!("{host} for the one address, or {whole} for the network");
        return Err(Wrong::new(format!("{} has bits beyond its prefix", quoted(text)), &remedy));
    }
    // Peers are compared in their IPv4 form, so that an entry in this form would never match.
    if let IpNet::V6(v6) = network
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.addr().to_ipv4_mapped()
    {
        let remedy = format!("{v4}/{}", v6.prefix_len() - 96);
        return Err(Wrong::is_not(text, "a network in its own form", &remedy));
    }
    Ok(network)
}

/// `https://host[:port][/base]`. The text is not repeated when it may hold a password or a key.
pub fn url(text: &str) -> Result<Uri, Wrong> {
    let remedy = "http or https, a host, a port and path if needed, as in https://api.example.com/v1";
    if text.contains('@') {
        return Err(Wrong::new("a URL with a user or password in it", remedy));
    }
    if text.contains(['?', '#']) {
        return Err(Wrong::new("a base URL has neither a query nor a fragment", remedy));
    }
    let wrong = || Wrong::is_not(text, "a base URL", remedy);
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.host().is_some_and(|host| !host.is_empty());
    let port = uri.authority().is_some_and(|authority| {
        let bare = authority.as_str().len() == authority.host().len();
        bare || authority.port_u16().is_some_and(|port| port > 0)
    });
    let plain = !text.contains(['\\', '%']) && path_is_plain(uri.path());
    if scheme && host && port && plain { Ok(uri) } else { Err(wrong()) }
}

/// `10.0.0.5:5678`, `[::1]:80` or `engine-2.internal:5678`: a host to dial. The port is written, because no scheme
/// stands there to tell it.
pub fn site(text: &str) -> Result<Site, Wrong> {
    let wrong = || Wrong::is_not(text, "a host and a port", "a host and a port, such as engine-2.internal:5678");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let sound = match v6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            (1..=253).contains(&host.len()) && host.bytes().all(plain) && !host.starts_with(['.', '-'])
        }
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port @ 1..) if sound && digits => Ok(Site { host: v6.unwrap_or(host).to_ascii_lowercase(), port }),
        _ => Err(wrong()),
    }
}

/// A file or directory.
pub fn path(text: &str) -> Result<&Path, Wrong> {
    if text.is_empty() || text.chars().any(char::is_control) {
        // Not repeated: it is sometimes the content of the file, a private key included.
        return Err(Wrong::new("not the path of a file", "the path of a file or directory"));
    }
    Ok(Path::new(text))
}

/// `0660`: the rights of a file, in octal as chmod takes them. Whoever listens must be able to connect to itself.
pub fn mode(text: &str) -> Result<u32, Wrong> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o777 && mode & 0o600 == 0o600 => Ok(mode),
        _ => Err(Wrong::is_not(text, "the rights of a socket's file", "octal digits from 0600 to 0777, such as 0660")),
    }
}

/// A header that may carry a credential: none that says how the message is framed or where it goes. What is no name
/// is not repeated, since `Authorization: Bearer …` is a common slip.
pub fn header_name(text: &str) -> Result<&str, Wrong> {
    const FRAMING: &[&str] = &[
        "connection",
        "content-length",
        "content-type",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    let lower = text.to_ascii_lowercase();
    if HeaderName::from_bytes(text.as_bytes()).is_err() {
        return Err(Wrong::new("not the name of a header", "a name such as X-API-Key"));
    }
    if FRAMING.contains(&lower.as_str()) || lower.starts_with("x-keystile-") {
        let what = "a header for credentials: its meaning is fixed";
        return Err(Wrong::is_not(text, what, "another name, such as X-API-Key"));
    }
    Ok(text)
}

/// The name of a query parameter: only characters that need no escaping, so that it has one spelling to write. Not
/// repeated, since `key=value` is a common slip.
pub fn query_name(text: &str) -> Result<&str, Wrong> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !text.is_empty() && text.len() <= 128 && text.bytes().all(plain) {
        return Ok(text);
    }
    let remedy = "letters, digits, hyphens, dots and underscores, such as auth-key";
    Err(Wrong::new("not the name of a query parameter", remedy))
}

/// A method that workflows may have.
pub fn method(text: &str) -> Result<&str, Wrong> {
    let token = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    // CONNECT opens a tunnel, TRACE and TRACK echo credentials: none of them is ever a workflow.
    if token && !matches!(text, "CONNECT" | "TRACE" | "TRACK") {
        return Ok(text);
    }
    Err(Wrong::is_not(text, "a method", "a method in capitals, such as GET or POST"))
}

/// `GET /customers/{id}`: as method and path.
pub fn template(text: &str) -> Result<Template, Wrong> {
    let remedy = "a method, a space and a path, such as GET /customers/{id} or POST /files/{rest...}";
    Template::parse(text).map_err(|bad| Wrong::new(format!("{} is not a template: {bad}", quoted(text)), remedy))
}

/// `/bot{secret}`: what is put before a call's path. Not repeated, as it may hold the secret itself.
pub fn inject_path(text: &str) -> Result<&str, Wrong> {
    let once = text.matches("{secret}").count() == 1;
    let rest = text.replace("{secret}", "x");
    if once && path_is_plain(&rest) && !rest.contains(['?', '#', '%', '\\', ' ', '{', '}']) {
        return Ok(text);
    }
    let remedy = "a path with {secret} in it once, such as /bot{secret}";
    Err(Wrong::new("not a path with the secret in it", remedy))
}

/// `/v1/charges`: whole segments, written decoded.
pub fn call_path(text: &str) -> Result<&str, Wrong> {
    if path_is_plain(text) && !text.contains(['?', '#', '%', '\\', ' ', '{', '}', '*']) {
        return Ok(text);
    }
    Err(Wrong::is_not(text, "a path to begin with", "the first segments of the provider's path, such as /v1/charges"))
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere.
    Off,
    /// Appended to a file.
    File(PathBuf),
}

/// `stdout`, `stderr`, `off` or `file:PATH`.
pub fn log_target(text: &str) -> Result<LogTarget, Wrong> {
    match text {
        "stdout" => Ok(LogTarget::Stdout),
        "stderr" => Ok(LogTarget::Stderr),
        "off" => Ok(LogTarget::Off),
        _ => match text.strip_prefix("file:") {
            Some(file) => path(file).map(|path| LogTarget::File(path.into())),
            None => Err(Wrong::is_not(text, "a place for a log", "stdout, stderr, off or file:PATH")),
        },
    }
}

/// `sqlite:PATH`: the database's file.
pub fn store(text: &str) -> Result<&Path, Wrong> {
    const REMEDY: &str = "sqlite:PATH, such as sqlite:keystile.db";
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Wrong::new("not available in this version: a store on PostgreSQL", REMEDY));
    }
    match text.strip_prefix("sqlite:").map(|file| file.strip_prefix("//").unwrap_or(file)) {
        Some(file) => path(file),
        None => Err(Wrong::is_not(text, "a store", REMEDY)),
    }
}

/// `env:NAME`, `file:PATH` or `vault:URL`. What is refused is not repeated: it may be the key itself.
pub fn master_key(text: &str) -> Result<&str, Wrong> {
    let (kind, place) = text.split_once(':').unwrap_or_default();
    match kind {
        "env" | "file" | "vault" if !place.is_empty() && !place.contains(char::is_control) => Ok(text),
        _ => {
            let reason = "not a place where a master key is";
            Err(Wrong::new(reason, "env:NAME, file:PATH or vault:URL; `keystile init` makes a key and its file"))
        }
    }
}

/// Begins with a slash and has no empty or dot segments, which upstreams read differently. A slash at the end is fine.
fn path_is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let control = path.chars().any(char::is_control);
    !control && (path == "/" || rest.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
