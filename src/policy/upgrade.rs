//! Hazard 15: which requests may leave HTTP behind. Only to a protocol that their workflow names, and only those that
//! ask for it in the one way that cannot be misread; all others stay plain requests, without the field.

use crate::model::Workflow;
use crate::model::{Fields, RequestHead};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Version};

/// The protocol that `parts` ask for, if `workflow` allows it.
pub fn asked(parts: &RequestHead, workflow: &Workflow) -> Option<HeaderValue> {
    if workflow.upgrades.is_empty() || parts.version != Version::HTTP_11 || parts.method != Method::GET {
        return None;
    }
    let bodiless = !parts.headers.contains_key(TRANSFER_ENCODING)
        && parts.headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    let protocol = only(&parts.headers)?;
    let allowed = workflow.upgrades.iter().any(|name| protocol.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
    (bodiless && allowed && lists_upgrade(&parts.headers)).then(|| protocol.clone())
}

/// Whether a reply switches to `protocol` and to nothing else.
pub fn granted(fields: &Fields, protocol: &HeaderValue) -> bool {
    only(fields).is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(protocol.as_bytes())) && lists_upgrade(fields)
}

/// The one `Upgrade` line.
fn only(fields: &Fields) -> Option<&HeaderValue> {
    let mut lines = fields.get_all(UPGRADE);
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

fn lists_upgrade(fields: &Fields) -> bool {
    let mut tokens = fields.get_all(CONNECTION).flat_map(|line| line.as_bytes().split(|b| *b == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use http::Request;

    fn verdict(allowed: &[&str], method: &str, version: Version, fields: &[(&str, &str)]) -> Option<String> {
        let mut snapshot = fixture::snapshot();
        snapshot.workflows[0].upgrades = allowed.iter().map(|n| (*n).into()).collect();
        let mut request = Request::builder().method(method).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let parts = RequestHead::from(request.body(()).unwrap().into_parts().0);
        asked(&parts, &snapshot.workflows[0]).map(|v| v.to_str().unwrap().to_owned())
    }

    const CONNECTION_UPGRADE: (&str, &str) = ("connection", "keep-alive, Upgrade");
    const WEBSOCKET: (&str, &str) = ("upgrade", "WebSocket");

    #[test]
    fn hazard_15_only_what_the_workflow_names_and_only_asked_for_plainly() {
        let ask = |allowed: &[&str], fields: &[(&str, &str)]| verdict(allowed, "GET", Version::HTTP_11, fields);
        let plain = [CONNECTION_UPGRADE, WEBSOCKET];
        assert_eq!(ask(&["websocket"], &plain), Some("WebSocket".into()));
        assert_eq!(ask(&[], &plain), None);
        assert_eq!(ask(&["other"], &plain), None);
        for fields in [
            &[WEBSOCKET][..],
            &[CONNECTION_UPGRADE],
            &[("connection", "close"), WEBSOCKET],
            &[CONNECTION_UPGRADE, ("upgrade", "websocket, h2c")],
            &[CONNECTION_UPGRADE, WEBSOCKET, ("upgrade", "h2c")],
            &[CONNECTION_UPGRADE, WEBSOCKET, WEBSOCKET],
            &[CONNECTION_UPGRADE, ("upgrade", "h2c")],
            &[CONNECTION_UPGRADE, WEBSOCKET, ("content-length", "5")],
            &[CONNECTION_UPGRADE, WEBSOCKET, ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(ask(&["websocket"], fields), None, "{fields:?}");
        }
        assert_eq!(verdict(&["websocket"], "POST", Version::HTTP_11, &plain), None);
        assert_eq!(verdict(&["websocket"], "GET", Version::HTTP_10, &plain), None);
        assert_eq!(verdict(&["websocket"], "GET", Version::HTTP_2, &plain), None);
    }

    #[test]
    fn hazard_14_a_101_switches_to_what_was_asked_for() {
        let reply = |fields: &[(&'static str, &'static str)]| {
            let map = fields.iter().map(|(n, v)| ((*n).parse().unwrap(), HeaderValue::from_static(v))).collect();
            granted(&map, &HeaderValue::from_static("websocket"))
        };
        assert!(reply(&[("upgrade", "WebSocket"), ("connection", "Upgrade")]));
        for fields in [
            &[("upgrade", "h2c"), ("connection", "upgrade")][..],
            &[("upgrade", "websocket")],
            &[("connection", "upgrade")],
            &[],
        ] {
            assert!(!reply(fields), "{fields:?}");
        }
    }
}
