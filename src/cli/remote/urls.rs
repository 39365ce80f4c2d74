//! `keystile url sign`, as a running gateway does it.

use super::Place;
use super::client::Ask;
use crate::control::UrlOrder;
use http::Method;
use serde_json::Value;

/// What the gateway answers.
pub fn sign(place: &Place, key: &str, order: &UrlOrder) -> anyhow::Result<Value> {
    let ask = Ask::new(Method::POST, &["keys", key, "signed-urls"])?.json(&serde_json::to_value(order)?)?;
    Ok(place.open()?.send(ask)?.body)
}
