//! Which fields go no further: towards the upstream, and back.

use super::path::percent_decode_lossy;
use super::query::folds_to;
use crate::model::Connection;
use crate::model::Fields;
use crate::model::connection::InjectRule;
use crate::model::listener::{Place, PlaceMask, Places};
use crate::model::token;
use http::header::{self, HeaderName, HeaderValue};
use smallvec::SmallVec;

pub(super) type Names = SmallVec<[HeaderName; 2]>;

/// Removes what the upstream must not see: hop-by-hop fields (also those that any `Connection` line names), the caller's
/// credential in every place and alias, tokens of ours in switched-off places, forged identity, method overrides, and
/// whatever stands, in any spelling, in a slot that will be injected. Runs before injection, so that no `Connection` line
/// can name the injected field away (hazard 2).
pub fn strip(headers: &mut Fields, places: &Places, open: PlaceMask, connection: &Connection, trusted: bool) {
    let listed = connection_listed(headers);
    // One line that goes takes the others of its name along.
    let any = |name: &HeaderName, is: &dyn Fn(&HeaderValue) -> bool| headers.get_all(name).any(is);
    let authorization = any(&header::AUTHORIZATION, &|value| is_credential(value, open));
    let header = open.has(Place::Header) || any(&places.header, &|value| token::mentioned_in(value.as_bytes()));
    headers.retain(|name, _| {
        let goes = match name {
            name if *name == header::AUTHORIZATION => authorization,
            name if *name == places.header => header,
            name => goes(name, places, trusted),
        };
        !(goes || injected(name.as_str(), connection) || is_listed(&listed, name))
    });
    join_cookies(headers);
}

/// Removes from a reply what is between us and the upstream, and what only we may say. `Trailer` stays: what it
/// announces was filtered when the reply was read.
pub fn strip_reply(headers: &mut Fields) {
    let listed = connection_listed(headers);
    headers.retain(|name, _| {
        if is_everyday(name) && listed.is_empty() {
            return true;
        }
        let own = (is_hop_by_hop(name.as_str()) && *name != header::TRAILER) || is_ours_alone(name.as_str());
        !(own || is_listed(&listed, name))
    });
}

/// What most messages have, and what nothing below takes away; a few comparisons instead of many.
fn is_everyday(name: &HeaderName) -> bool {
    EVERYDAY.contains(name)
}

const EVERYDAY: [HeaderName; 12] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::USER_AGENT,
    header::DATE,
    header::SERVER,
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::ETAG,
    header::LAST_MODIFIED,
    header::VARY,
    header::ACCEPT_RANGES,
];

/// Whether a field goes by its name alone.
fn goes(name: &HeaderName, places: &Places, trusted: bool) -> bool {
    let is_place = folds_to(name.as_str().as_bytes(), places.header.as_str().as_bytes());
    if is_everyday(name) {
        return is_place;
    }
    let mut room = [0u8; LONGEST_FOLDED];
    let folded = fold(name.as_str(), &mut room);
    let alias = !name.as_str().starts_with(folded);
    is_hop_by_hop(folded)
        || is_replaced(folded)
        || folded.starts_with("x-keystile-")
        || folded.starts_with("keystile-")
        || ((!trusted || alias) && is_hearsay(folded))
        // To CGI's descendants the last one of two lengths may count.
        || (alias && matches!(folded, "content-length" | "content-type"))
        || (alias && folded == "authorization")
        || is_place
}

/// Whether an `Authorization` value is ours to take away. A foreign scheme passes, unless a token of ours hides in it.
fn is_credential(value: &HeaderValue, open: PlaceMask) -> bool {
    let value = value.as_bytes();
    (open.has(Place::Authorization) && super::identify::token_of(value).is_some())
        || token::mentioned_in(value)
        || basic_pair(value).is_some_and(|pair| token::mentioned_in(&pair))
}

/// Whether a token of ours stands in `value`: as it is, percent-encoded (a `Referer`, a cookie) or as Basic.
pub(super) fn holds_token(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    token::held_in(value)
        || percent_decode_lossy(value).is_some_and(|decoded| token::held_in(&decoded))
        || basic_pair(value).is_some_and(|pair| token::held_in(&pair))
}

/// `user:password` of a Basic value.
pub(super) fn basic_pair(value: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    const ANY_PADDING: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let (scheme, rest) = value.trim_ascii().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    ANY_PADDING.decode(rest.trim_ascii()).ok()
}

/// Whether some upstream may take `name` for one that the connection sets.
fn injected(name: &str, connection: &Connection) -> bool {
    let set = connection.injection.read.iter().filter_map(InjectRule::header);
    let mut set = set.chain(connection.extra_headers.iter().filter(|extra| extra.always).map(|extra| &extra.name));
    set.any(|n| folds_to(name.as_bytes(), n.as_str().as_bytes()))
}

/// Bytes of a name that are folded: more than any that we look for has.
pub(super) const LONGEST_FOLDED: usize = 64;

/// `name` as upstreams with CGI manners read it: all punctuation is `-`. Of a name longer than any we look for, only the
/// beginning, which tells enough.
pub(super) fn fold<'a>(name: &'a str, room: &'a mut [u8; LONGEST_FOLDED]) -> &'a str {
    let name = name.get(..LONGEST_FOLDED).unwrap_or(name);
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return name;
    }
    for (to, b) in room.iter_mut().zip(name.bytes()) {
        *to = if b.is_ascii_alphanumeric() { b } else { b'-' };
    }
    room.get(..name.len()).and_then(|folded| std::str::from_utf8(folded).ok()).unwrap_or(name)
}

/// RFC 9110, section 7.6.1, and what older clients send.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// What we answer ourselves, set anew, or let nobody use: an upstream must act on the method and path that were decided.
pub(super) fn is_replaced(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "expect"
            | "x-request-id"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-url"
            | "x-original-uri"
            | "x-rewrite-url"
            // CGI makes it HTTP_PROXY, and clients behind CGI obey that.
            | "proxy"
    )
}

/// What any caller can say about himself; believed from trusted proxies only (hazard 4).
pub(super) fn is_hearsay(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("x-client-cert")
        || name.starts_with("x-ssl-client-")
        || name.starts_with("ssl-client-")
        || matches!(
            name,
            "forwarded"
                | "x-real-ip"
                | "x-client-ip"
                | "x-cluster-client-ip"
                | "true-client-ip"
                | "x-original-forwarded-for"
                // RFC 9440, and what load balancers say of a caller's certificate in their own words.
                | "client-cert"
                | "client-cert-chain"
                | "x-ssl-cert"
                | "x-tls-client-cert"
                | "x-arr-clientcert"
        )
}

/// What an upstream must not be able to forge in a reply.
fn is_ours_alone(name: &str) -> bool {
    matches!(name, "x-keystile-error" | "x-keystile-replayed" | "x-keystile-scrub" | "x-request-id")
}

/// The fields that every `Connection` line names, but those that carry the message itself.
fn connection_listed(headers: &Fields) -> Names {
    let mut names = Names::new();
    for line in headers.get_all(header::CONNECTION) {
        for token in line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if let Ok(name) = HeaderName::from_bytes(token)
                && name != header::CONTENT_LENGTH
                && name != header::HOST
            {
                names.push(name);
            }
        }
    }
    if names.len() > FEW {
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    }
    names
}

/// So many names are looked through one by one; of more, of which a line can hold thousands, by halves.
const FEW: usize = 8;

/// Whether a `Connection` line named it.
fn is_listed(listed: &Names, name: &HeaderName) -> bool {
    match listed.len() {
        ..=FEW => listed.contains(name),
        _ => listed.binary_search_by(|one| one.as_str().cmp(name.as_str())).is_ok(),
    }
}

/// HTTP/2 callers may send one cookie a field; HTTP/1.1 upstreams want one line (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut Fields) {
    if headers.get_all(header::COOKIE).nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
