//! What every peer does per request: token → digest → key → may it do this here → is it within its limit.

use std::{
    fs,
    hash::{BuildHasherDefault, Hasher},
    num::NonZeroU32,
};

use governor::{
    Quota, RateLimiter,
    clock::{QuantaClock, QuantaInstant},
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};
use http::HeaderValue;

pub struct Key {
    id: u32,
    pub identity: HeaderValue,
    environments: Vec<Box<str>>,
    templates: Vec<Template>,
}

/// Segments of a path; `None` stands for any one.
type Template = Vec<Option<Box<str>>>;

type Keys = hashbrown::HashMap<[u8; 32], Key, BuildHasherDefault<FirstEight>>;
type Limiter = RateLimiter<u32, DashMapStateStore<u32>, QuantaClock, NoOpMiddleware<QuantaInstant>>;

/// Digests are uniform already: the first eight bytes are hash enough.
#[derive(Default)]
struct FirstEight(u64);

impl Hasher for FirstEight {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

pub struct Work {
    keys: Keys,
    limiter: Limiter,
}

#[derive(Debug, Clone, Copy)]
pub enum Denial {
    Unauthorized,
    Forbidden,
    Limited,
}

impl Denial {
    pub fn status(self) -> u16 {
        match self {
            Denial::Unauthorized => 401,
            Denial::Forbidden => 403,
            Denial::Limited => 429,
        }
    }
}

impl Work {
    /// Reads lines of `token name group`.
    pub fn load(file: &str) -> Work {
        let text = fs::read_to_string(file).expect("the list of keys can be read");
        let keys = text.lines().enumerate().map(|(id, line)| key(id, line)).collect();
        let second = Quota::per_second(NonZeroU32::new(100_000).expect("not zero"));
        Work { keys, limiter: RateLimiter::dashmap_with_clock(second, QuantaClock::default()) }
    }

    #[inline]
    pub fn check(&self, authorization: Option<&[u8]>, path: &str, query: Option<&str>) -> Result<&Key, Denial> {
        let token = token(authorization, query).ok_or(Denial::Unauthorized)?;
        let key = self.keys.get(blake3::hash(token).as_bytes()).ok_or(Denial::Unauthorized)?;
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (environment, rest) = rest.split_once('/').ok_or(Denial::Forbidden)?;
        let permitted = key.environments.iter().any(|one| **one == *environment)
            && key.templates.iter().any(|template| matches(template, rest));
        if !permitted {
            return Err(Denial::Forbidden);
        }
        self.limiter.check_key(&key.id).map_err(|_| Denial::Limited)?;
        Ok(key)
    }
}

/// `path?query` without `auth-key`; `None` if there is nothing to take away.
pub fn strip_query(uri: &str) -> Option<String> {
    let (path, query) = uri.split_once('?')?;
    if !query.contains("auth-key=") {
        return None;
    }
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("auth-key=")).collect();
    Some(if rest.is_empty() { path.into() } else { format!("{path}?{}", rest.join("&")) })
}

fn key(id: usize, line: &str) -> ([u8; 32], Key) {
    let [token, name, group] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("not a key: {line}") };
    let (environments, actions): (&[&str], &[&str]) =
        if group < "g4" { (&["prod", "staging"], &["run", "big", "cancel"]) } else { (&["prod"], &["run", "big"]) };
    let record = Key {
        id: id as u32,
        identity: HeaderValue::from_str(&format!("{name}-{group}")).expect("a header value"),
        environments: environments.iter().map(|&one| one.into()).collect(),
        templates: actions.iter().map(|action| template(&format!("/workflows/{{id}}/{action}"))).collect(),
    };
    (*blake3::hash(token.as_bytes()).as_bytes(), record)
}

fn template(text: &str) -> Template {
    let segments = text.split('/').skip(1);
    segments.map(|segment| (!segment.starts_with('{')).then(|| segment.into())).collect()
}

fn matches(template: &[Option<Box<str>>], path: &str) -> bool {
    let mut segments = path.split('/');
    let all = template.iter().all(|expected| match (expected, segments.next()) {
        (None, Some(segment)) => !segment.is_empty(),
        (Some(literal), Some(segment)) => **literal == *segment,
        (_, None) => false,
    });
    all && segments.next().is_none()
}

fn token<'a>(authorization: Option<&'a [u8]>, query: Option<&'a str>) -> Option<&'a [u8]> {
    if let Some(token) = authorization.and_then(|value| value.strip_prefix(b"Key=")) {
        return Some(token);
    }
    query?.split('&').find_map(|pair| pair.strip_prefix("auth-key=")).map(str::as_bytes)
}
