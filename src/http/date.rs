//! What a reply's `Date` says (RFC 9110, section 6.6.1).

use http::HeaderValue;
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// This second, put into words once for all who ask.
pub fn now() -> HeaderValue {
    thread_local! {
        static NOW: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    NOW.with_borrow_mut(|(at, text)| {
        if *at != second {
            let said = HeaderValue::try_from(httpdate::fmt_http_date(now));
            (*at, *text) = (second, said.unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT")));
        }
        text.clone()
    })
}
