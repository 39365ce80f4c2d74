//! What a request's fields say of its signature, read as its scheme writes it.

use super::timestamp;
use crate::model::denial::BadSignature;
use crate::model::webhook::{Algorithm, Encoding, Form, Part, Scheme, Signature, SignatureBytes, TimestampPlace};
use crate::model::{self, Denial};
use http::HeaderName;
use smallvec::SmallVec;

/// How many signatures of one delivery are looked at: no sender has so many secrets.
const SIGNATURES: usize = 16;
/// How many of them by Ed25519, each of which takes the whole body to be judged, while an HMAC is made once: whoever has no
/// secret must not make us work sixteen times as much as he sends.
const BY_ED25519: usize = 4;

/// What was read. The texts are as they were written, since so they were signed.
pub(super) struct Fields<'r> {
    /// One at least.
    pub given: SmallVec<[Given; 2]>,
    pub timestamp: Option<&'r [u8]>,
    pub id: Option<&'r [u8]>,
}

/// A signature that a sender gave.
pub(super) struct Given {
    /// Else it is Ed25519's; neither is ever held against the other's keys.
    pub is_hmac: bool,
    pub bytes: SignatureBytes,
}

/// Reads the signature in `written`, the only line of its field, and what belongs to it.
pub(super) fn read<'r>(
    signature: &Signature,
    written: &'r [u8],
    headers: &'r model::Fields,
    now: i64,
) -> Result<Fields<'r>, Denial> {
    let scheme = &signature.scheme;
    let own = |why| malformed(&scheme.header, why);
    let stated = match &scheme.timestamp {
        Some((TimestampPlace::Header(header), _)) => Some((header, wanted(headers, header)?)),
        _ => None,
    };
    let id = match &scheme.id {
        Some(header) if scheme.signed.contains(&Part::Id) => {
            Some(identifying(scheme, header, wanted(headers, header)?)?)
        }
        _ => None,
    };
    let (given, paired) = match &scheme.form {
        Form::Prefixed(prefix) => (single(scheme, prefix, written).map_err(own)?, None),
        Form::Versions => (versions(scheme.encoding, written).map_err(own)?, None),
        Form::Pairs { timestamp, signature } => {
            let (given, timestamp) = pairs(scheme, (timestamp, signature), written).map_err(own)?;
            (given, Some((&scheme.header, timestamp)))
        }
    };
    let timestamp = match (&scheme.timestamp, stated.or(paired)) {
        (Some((_, clock)), Some((header, timestamp))) => {
            let at = timestamp::milliseconds(*clock, timestamp);
            let at = at.ok_or_else(|| malformed(header, "its timestamp cannot be read"))?;
            let near = signature.tolerance.map_or(Ok(()), |tolerance| timestamp::within(at, now, tolerance));
            near.map_err(Denial::SignatureExpired)?;
            Some(timestamp)
        }
        _ => None,
    };
    Ok(Fields { given, timestamp, id })
}

/// When its sender's clock says that it was signed, in Unix milliseconds, as far as it can be read; for who explains.
pub fn signed_at(signature: &Signature, headers: &model::Fields) -> Option<i64> {
    let scheme = &signature.scheme;
    let (place, clock) = scheme.timestamp.as_ref()?;
    let written = match (place, &scheme.form) {
        (TimestampPlace::Header(header), _) => only(headers, header).ok()??,
        (TimestampPlace::Pair, Form::Pairs { timestamp, signature }) => {
            pairs(scheme, (timestamp, signature), only(headers, &scheme.header).ok()??).ok()?.1
        }
        (TimestampPlace::Pair, _) => return None,
    };
    timestamp::milliseconds(*clock, written)
}

pub(super) fn malformed(header: &HeaderName, why: &'static str) -> Denial {
    Denial::SignatureInvalid { header: Some(header.clone()), bad: BadSignature::Malformed(why) }
}

/// The only line of a field, without the blanks around it. Which of several was meant, the sender's code and ours might see
/// differently, so that nothing is said where there are more.
pub(super) fn only<'r>(headers: &'r model::Fields, name: &HeaderName) -> Result<Option<&'r [u8]>, Denial> {
    let mut lines = headers.get_all(name);
    let first = lines.next().map(|line| line.as_bytes().trim_ascii());
    match lines.next() {
        Some(_) => Err(malformed(name, "a field of the signature is repeated")),
        None => Ok(first),
    }
}

fn wanted<'r>(headers: &'r model::Fields, name: &HeaderName) -> Result<&'r [u8], Denial> {
    only(headers, name)?.ok_or_else(|| Denial::SignatureMissing { header: name.clone() })
}

/// An id that is apart from what is signed around it: of `a.b.{…}`, nobody could say where the id ends, and so what the
/// body was. What begins with a time beside it could begin with another one in the body, if an id could be like a body.
fn identifying<'r>(scheme: &Scheme, header: &HeaderName, id: &'r [u8]) -> Result<&'r [u8], Denial> {
    let runs_on = scheme.signed.windows(2).any(|two| match two {
        [Part::Id, Part::Text(text)] => first_at(&[id, text.as_bytes()].concat(), text.as_bytes()) < id.len(),
        [Part::Id, Part::Timestamp] | [Part::Timestamp, Part::Id] => !id.iter().all(is_word),
        _ => false,
    });
    // A text that everything begins with sets nothing apart.
    let runs_back = scheme.signed.windows(3).any(|three| match three {
        [_, Part::Text(text), Part::Id] => last_at(&[text.as_bytes(), id].concat(), text.as_bytes()) > 0,
        _ => false,
    });
    match id {
        [] => Err(malformed(header, "its id is empty")),
        _ if runs_on || runs_back => {
            Err(malformed(header, "its id holds what sets it apart from the rest of what is signed"))
        }
        id => Ok(id),
    }
}

/// Where `text` stands in `within` first; its length, if nowhere.
fn first_at(within: &[u8], text: &[u8]) -> usize {
    within.windows(text.len().max(1)).position(|part| part == text).unwrap_or(within.len())
}

/// Where it stands last; 0, if nowhere.
fn last_at(within: &[u8], text: &[u8]) -> usize {
    within.windows(text.len().max(1)).rposition(|part| part == text).unwrap_or(0)
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// `sha256=<signature>`
fn single(scheme: &Scheme, prefix: &str, written: &[u8]) -> Result<SmallVec<[Given; 2]>, &'static str> {
    let encoded = written.strip_prefix(prefix.as_bytes()).ok_or("it does not begin as its scheme has it")?;
    let bytes = scheme.encoding.decode(encoded).ok_or("it is not encoded as its scheme has it")?;
    Ok([Given { is_hmac: scheme.algorithm != Algorithm::Ed25519, bytes }].into_iter().collect())
}

/// `v1,<HMAC> v1a,<Ed25519> v2,…`
fn versions(encoding: Encoding, written: &[u8]) -> Result<SmallVec<[Given; 2]>, &'static str> {
    let items = written.split(u8::is_ascii_whitespace).filter_map(|item| split_once(item, b','));
    gathered(encoding, items, |version| match version {
        b"v1" => Some(true),
        b"v1a" => Some(false),
        _ => None,
    })
}

/// `t=<timestamp>,v1=<signature>,…`: the signatures and the timestamp.
fn pairs<'r>(
    scheme: &Scheme,
    (timestamp, signature): (&str, &str),
    written: &'r [u8],
) -> Result<(SmallVec<[Given; 2]>, &'r [u8]), &'static str> {
    let items = || written.split(|byte| *byte == b',').filter_map(|item| split_once(item, b'='));
    let mut timestamps = items().filter(|(name, _)| *name == timestamp.as_bytes());
    let (_, at) = timestamps.next().ok_or("it has no timestamp")?;
    if timestamps.next().is_some() {
        return Err("it has several timestamps");
    }
    let is_hmac = scheme.algorithm != Algorithm::Ed25519;
    let given = gathered(scheme.encoding, items(), |name| (name == signature.as_bytes()).then_some(is_hmac))?;
    Ok((given, at))
}

/// The signatures among `items`, by what their names say of them; one that cannot be read is like any other that is wrong.
fn gathered<'r>(
    encoding: Encoding,
    items: impl Iterator<Item = (&'r [u8], &'r [u8])>,
    is_hmac: impl Fn(&[u8]) -> Option<bool>,
) -> Result<SmallVec<[Given; 2]>, &'static str> {
    let mut given = SmallVec::new();
    let known = items.filter_map(|(name, encoded)| Some((is_hmac(name)?, encoded)));
    let mut by_ed25519 = 0;
    for (at, (is_hmac, encoded)) in known.enumerate() {
        by_ed25519 += usize::from(!is_hmac);
        if at == SIGNATURES || by_ed25519 > BY_ED25519 {
            return Err("it has more signatures than anybody looks at");
        }
        given.extend(encoding.decode(encoded).map(|bytes| Given { is_hmac, bytes }));
    }
    match given.is_empty() {
        true => Err("it has no signature that can be read"),
        false => Ok(given),
    }
}

fn split_once(item: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let middle = item.iter().position(|byte| *byte == at)?;
    Some((item[..middle].trim_ascii(), item[middle + 1..].trim_ascii()))
}
