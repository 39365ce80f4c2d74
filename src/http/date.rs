//! What a reply's `Date` says (RFC 9110, section 6.6.1).

use crate::telemetry::timestamp::now_ms;
use http::HeaderValue;
use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

pub fn now() -> HeaderValue {
    at(now_ms())
}

/// The second of this time, in Unix milliseconds: put into words once for all who ask.
pub fn at(unix_ms: i64) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
    }
    let second = u64::try_from(unix_ms / 1_000).unwrap_or(0);
    LAST.with_borrow_mut(|(at, text)| {
        if *at != second {
            let said = HeaderValue::try_from(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second)));
            (*at, *text) = (second, said.unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT")));
        }
        text.clone()
    })
}
