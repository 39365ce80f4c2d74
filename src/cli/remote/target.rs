//! Which gateway, and as whom: from arguments, environment and profiles, in this order. A profile's token goes to the
//! profile's URL and nowhere else.

use super::profiles::{Profile, Profiles, Token};
use super::{Place, input, misuse};
use anyhow::bail;
use std::net::IpAddr;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where `listeners.admin` listens if nobody says otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8082";

/// A gateway, and the token shown to it.
pub struct Target {
    pub site: Site,
    pub token: Token,
    pub ca: Option<PathBuf>,
}

/// A gateway's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub tls: bool,
    /// Without the brackets of IPv6.
    pub host: String,
    pub port: u16,
    /// What stands before `/api/v1`, where a proxy maps it; no slash at its end.
    pub base: String,
}

/// What of the environment counts.
#[derive(Default)]
pub struct Surroundings {
    pub url: Option<String>,
    pub token: Option<Token>,
    pub profile: Option<String>,
    pub profiles: Option<PathBuf>,
}

impl Surroundings {
    pub fn of_this_process() -> Surroundings {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Surroundings {
            url: set("KEYSTILE_URL"),
            token: set("KEYSTILE_TOKEN").map(|t| Token::new(Zeroizing::new(t))),
            profile: set("KEYSTILE_PROFILE"),
            profiles: Profiles::path(),
        }
    }

    pub fn name_a_gateway(&self) -> bool {
        // Profiles that cannot be read name one as well: that is told when it is asked for.
        let logged_in =
            || Profiles::load(self.profiles.as_deref()).map_or(true, |profiles| profiles.current().is_some());
        self.url.is_some() || self.token.is_some() || self.profile.is_some() || logged_in()
    }
}

/// An argument beats the environment, and what is named beats what is merely there.
pub fn choose(place: &Place, around: Surroundings) -> anyhow::Result<Target> {
    let profiles = Profiles::load(around.profiles.as_deref())?;
    let asked = place.profile.as_deref().map(|name| profiles.named(name)).transpose()?;
    let usual = match (&asked, &around.profile) {
        (Some(_), _) => None,
        (None, Some(name)) => Some(profiles.named(name)?),
        (None, None) => profiles.current(),
    };
    let url = place.url.clone();
    let url = url.or_else(|| asked.map(|p| p.url.clone())).or(around.url).or_else(|| usual.map(|p| p.url.clone()));
    let site = Site::parse(url.as_deref().unwrap_or(DEFAULT_URL))?;
    let here = |profile: Option<&'_ Profile>| profile.filter(|p| Site::parse(&p.url).is_ok_and(|s| s == site)).cloned();
    let (asked, usual) = (here(asked), here(usual));
    let ca = place.ca.clone().or_else(|| asked.as_ref().or(usual.as_ref()).and_then(|p| p.ca.clone()));
    let given = given(place)?;
    let token = given.or_else(|| asked.map(|p| p.token)).or(around.token).or_else(|| usual.map(|p| p.token));
    let Some(token) = token else {
        bail!(
            "there is no token for {site}\n  log in with `keystile login --url {site}`, or give one with --token-file \
             or KEYSTILE_TOKEN"
        );
    };
    site.may_be_told_a_token()?;
    Ok(Target { site, token, ca })
}

/// The token that the arguments give.
fn given(place: &Place) -> anyhow::Result<Option<Token>> {
    if let Some(token) = &place.token {
        return Ok(Some(Token::new(Zeroizing::new(token.clone()))));
    }
    place.token_file.as_deref().map(|file| Ok(Token::new(input::value(file, "the token")?))).transpose()
}

impl Site {
    /// `http://127.0.0.1:8082`, `https://keystile.example/gateway`
    pub fn parse(url: &str) -> anyhow::Result<Site> {
        let wrong = |why: &str| misuse(format!("the URL {url:?} {why}: write {DEFAULT_URL} or https://HOST:PORT"));
        let Some((scheme, rest)) = url.split_once("://") else { return Err(wrong("has no scheme")) };
        // What stands before an @ may be a password, so the URL is not repeated.
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(misuse("a user or password in the URL means nothing here: give the token with --token-file"));
        }
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("is neither http:// nor https://")),
        };
        let parsed: http::Uri = url.parse().map_err(|_| wrong("is not valid"))?;
        if parsed.query().is_some() || url.contains('#') {
            return Err(wrong("has a query or fragment"));
        }
        let host = parsed.host().filter(|h| !h.is_empty()).ok_or_else(|| wrong("names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = parsed.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Site { tls, host, port, base: parsed.path().trim_end_matches('/').to_owned() })
    }

    /// `127.0.0.1:8082`, `[::1]:8082`
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// A token goes in the clear to this machine only.
    pub fn may_be_told_a_token(&self) -> anyhow::Result<()> {
        let loopback = self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) || self.host == "localhost";
        if self.tls || loopback {
            return Ok(());
        }
        bail!(
            "{self} is not on this machine, and http:// would show the token to everybody in between\n  use https:// \
             (listeners.admin.tls), or a tunnel: ssh -L 8082:127.0.0.1:{} {}",
            self.port,
            self.host
        )
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(place: &Place, around: Surroundings) -> Result<(String, String), String> {
        let target = choose(place, around).map_err(|e| e.to_string())?;
        Ok((target.site.to_string(), target.token.show().to_owned()))
    }

    fn token(text: &str) -> Option<Token> {
        Some(Token::new(Zeroizing::new(text.to_owned())))
    }

    fn urls(text: &str) -> Place {
        Place { url: Some(text.to_owned()), ..Place::default() }
    }

    #[test]
    fn arguments_beat_the_environment_and_there_is_a_default() {
        let around = || Surroundings { token: token("t"), ..Surroundings::default() };
        assert_eq!(chosen(&Place::default(), around()).unwrap().0, DEFAULT_URL);
        let with_url = Surroundings { url: Some("https://gw.example".to_owned()), ..around() };
        assert_eq!(chosen(&Place::default(), with_url).unwrap().0, "https://gw.example:443");
        let with_url = Surroundings { url: Some("https://gw.example".to_owned()), ..around() };
        assert_eq!(chosen(&urls("http://[::1]:1/"), with_url).unwrap().0, "http://[::1]:1");
    }

    #[test]
    fn a_token_never_goes_in_the_clear_beyond_this_machine() {
        for near in ["http://127.0.0.1:8082", "http://localhost:1", "http://[::1]:1", "https://gw.example"] {
            assert!(Site::parse(near).unwrap().may_be_told_a_token().is_ok(), "{near}");
        }
        for far in ["http://gw.example", "http://10.0.0.1:8082", "http://localhost.evil", "http://127.0.0.1.evil:1"] {
            let refused = Site::parse(far).unwrap().may_be_told_a_token().unwrap_err().to_string();
            assert!(refused.contains("https://") && refused.contains("ssh -L"), "{refused}");
        }
    }

    #[test]
    fn urls_that_mislead_are_refused_and_passwords_not_repeated() {
        for bad in ["gw.example", "ftp://gw", "http://", "http://gw?x=1", "http://gw/#x"] {
            assert!(Site::parse(bad).is_err(), "{bad}");
        }
        let refused = Site::parse("https://ann:hunter2@gw.example").unwrap_err().to_string();
        assert!(!refused.contains("hunter2"), "{refused}");
        assert_eq!(Site::parse("https://gw.example/keystile/").unwrap().base, "/keystile");
    }
}
