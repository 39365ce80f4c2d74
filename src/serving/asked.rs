//! T7: a request that somebody describes, on the command line or through the API, made into one that can be judged.

use super::explanation::Question;
use crate::config::mistake::nearest;
use crate::model::RequestHead;
use crate::model::listener::DoorKind;
use crate::model::{ClientCertificate, Listener, Snapshot};
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use std::fmt;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// A request in words. What may hold a token is wiped.
pub struct Asked {
    pub method: String,
    /// A path with its query, or a whole URL.
    pub url: Zeroizing<String>,
    /// A key by its name, instead of a credential.
    pub key: Option<String>,
    /// Names and values.
    pub headers: Vec<(Zeroizing<String>, Zeroizing<String>)>,
    pub peer: IpAddr,
    /// A listener by its address; if not said, the first outbound one for paths below /c/, else the first inbound one.
    pub listener: Option<String>,
    pub certificate: Option<ClientCertificate>,
    /// What a signature is held against.
    pub body: Option<Bytes>,
}

/// What cannot be understood of it. Neither a header nor a URL is repeated: people paste tokens into both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear {
    pub field: &'static str,
    pub reason: String,
    pub remedy: String,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.remedy)
    }
}

impl std::error::Error for Unclear {}

fn unclear(field: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> Unclear {
    Unclear { field, reason: reason.into(), remedy: remedy.into() }
}

impl Asked {
    /// The listener it reaches, and the question.
    pub fn put(self, snapshot: &Snapshot, now: i64) -> Result<(&Listener, Question), Unclear> {
        let listener = self.listener(snapshot)?;
        if let Some(name) = &self.key
            && snapshot.keys.named(name).is_none()
        {
            let near = nearest(name, snapshot.keys.iter().map(|key| &*key.name));
            let remedy =
                near.map_or("`keystile keys list` shows all".to_owned(), |near| format!("did you mean {near}?"));
            return Err(unclear("key", format!("there is no key {name:?}"), remedy));
        }
        let parts = self.request(listener)?;
        Ok((
            listener,
            Question { parts, key: self.key, peer: self.peer, certificate: self.certificate, body: self.body, now },
        ))
    }

    fn listener<'s>(&self, snapshot: &'s Snapshot) -> Result<&'s Listener, Unclear> {
        let mut listeners = snapshot.listeners.iter();
        let found = match &self.listener {
            Some(address) => listeners.find(|listener| *listener.address == **address),
            None => {
                let path = self.url.parse::<Uri>().map(|url| url.path().to_owned()).unwrap_or_default();
                let wanted = if path.starts_with("/c/") { DoorKind::Outbound } else { DoorKind::Inbound };
                listeners.find(|l| l.door.kind() == wanted).or(snapshot.listeners.first())
            }
        };
        let known = || -> Vec<String> {
            snapshot.listeners.iter().map(|l| format!("{} ({})", l.address, l.door.kind().name())).collect()
        };
        found
            .ok_or_else(|| unclear("listener", "there is no such listener", format!("there is {}", known().join(", "))))
    }

    fn request(&self, listener: &Listener) -> Result<RequestHead, Unclear> {
        let wrong_method = |_| unclear("method", "the method is not valid", "write GET, POST, …");
        let method: Method = self.method.parse().map_err(wrong_method)?;
        let wrong_url = || unclear("url", "the URL is not valid", "write /customers/7 or https://gateway/customers/7");
        let url: Uri = self.url.parse().map_err(|_| wrong_url())?;
        let near = if listener.door.kind() == DoorKind::Outbound { "localhost" } else { "keystile" };
        let host = url.authority().map_or(near, |authority| authority.as_str());
        let host = HeaderValue::from_str(host).map_err(|_| wrong_url())?;
        let target = url.path_and_query().and_then(|target| Uri::try_from(target.as_str()).ok());
        let target = target.ok_or_else(|| {
            unclear("url", "the URL has no path", "write /customers/7 or https://gateway/customers/7")
        })?;
        let request = Request::builder().method(method).uri(target).body(()).map_err(|_| wrong_url())?;
        let mut parts = RequestHead::from(request.into_parts().0);
        for (name, value) in &self.headers {
            let wrong_name = |_| unclear("headers", "a header's name is not valid", "write Name: value");
            let name: HeaderName = name.trim().parse().map_err(wrong_name)?;
            let wrong_value = |_| {
                let remedy = "write visible characters, in one line";
                unclear("headers", format!("the value of {name} is not valid"), remedy)
            };
            let value = HeaderValue::from_str(value.trim()).map_err(wrong_value)?;
            parts.headers.append(name, value);
        }
        if !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, host);
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn asked(method: &str, url: &str) -> Asked {
        Asked {
            method: method.to_owned(),
            url: Zeroizing::new(url.to_owned()),
            key: None,
            headers: Vec::new(),
            peer: Ipv4Addr::LOCALHOST.into(),
            listener: None,
            certificate: None,
            body: None,
        }
    }

    #[test]
    fn t7_a_request_in_words_reaches_the_door_of_its_path_with_a_host_and_its_fields() {
        let world = crate::policy::fixture::snapshot();
        let field = |name: &str, value: &str| (Zeroizing::new(name.to_owned()), Zeroizing::new(value.to_owned()));
        let asked =
            Asked { headers: vec![field("X-One", " 1 ")], ..asked("GET", "https://gateway.test/customers/7?a=b") };
        let (listener, question) = asked.put(&world, 7).unwrap();
        assert_eq!(listener.door.kind(), DoorKind::Inbound);
        assert_eq!(question.parts.uri, "/customers/7?a=b");
        assert_eq!(question.parts.headers[HOST], "gateway.test");
        assert_eq!(question.parts.headers["x-one"], "1");
    }

    #[test]
    fn t7_what_cannot_be_understood_is_named_by_its_field_and_not_repeated() {
        let world = crate::policy::fixture::snapshot();
        let field = |asked: Asked| asked.put(&world, 0).map(|_| ()).unwrap_err();
        assert_eq!(field(asked("no method", "/")).field, "method");
        assert_eq!(field(asked("GET", "https://")).field, "url");
        assert_eq!(field(Asked { listener: Some("10.0.0.1:1".into()), ..asked("GET", "/") }).field, "listener");
        assert_eq!(field(Asked { key: Some("nobody".into()), ..asked("GET", "/") }).field, "key");
        let secret = Zeroizing::new("kst_secret\n".repeat(2));
        let headers = vec![(Zeroizing::new("X-API-Key".to_owned()), secret)];
        let told = field(Asked { headers, ..asked("GET", "/") });
        assert_eq!(told.field, "headers");
        assert!(!told.to_string().contains("kst_"), "{told}");
    }
}
