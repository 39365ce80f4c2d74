use proptest::prelude::*;
use std::net::SocketAddr;

use super::*;

#[test]
fn modes() {
    for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0777", 0o777), ("0666", 0o666)] {
        assert_eq!(super::mode(text), Ok(mode));
    }
    for wrong in ["", "66", "00660", "0o660", "0668", "0060", "1777", "0440", "rw-rw----", "+660", "-660"] {
        assert!(super::mode(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn addresses() {
    for good in ["0.0.0.0:8443", "[::1]:80", "unix:/run/keystile/in.sock"] {
        assert_eq!(address(good).unwrap().to_string(), good);
    }
    for bad in ["", ":8443", "8443", "localhost:8080", "unix:", "1.2.3.4", "1.2.3.4:99999", "::1:80"] {
        assert!(address(bad).is_err(), "{bad}");
    }
}

#[test]
fn hosts_to_dial_have_a_port() {
    for good in ["10.0.0.5:5678", "[::1]:80", "engine-2.internal:5678", "localhost:1"] {
        assert_eq!(site(good).unwrap().to_string(), good);
    }
    assert_eq!(site("Engine:80").unwrap().host, "engine");
    for bad in ["", "h", "h:", ":80", "h:0", "h:65536", "h:+1", "::1:80", "[h]:80", "u@h:80", "http://h:80", "h:80/x"] {
        assert!(site(bad).is_err(), "{bad}");
    }
}

#[test]
fn networks() {
    assert_eq!(cidr("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
    assert_eq!(cidr("203.0.113.7").unwrap().to_string(), "203.0.113.7/32");
    assert_eq!(cidr("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
    for bad in ["", "10.0.0.0/33", "10/8", "example.com", "10.0.0.0/8 ", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104"] {
        assert!(cidr(bad).is_err(), "{bad}");
    }
    let both = cidr("10.1.2.3/8").unwrap_err();
    assert_eq!(both.remedy, "write: 10.1.2.3 for the one address, or 10.0.0.0/8 for the network");
    assert_eq!(cidr("::ffff:10.0.0.0/104").unwrap_err().remedy, "write: 10.0.0.0/8");
}

#[test]
fn urls() {
    for good in ["http://10.0.0.5:5678", "https://api.example.com/v1", "https://[::1]:8443/"] {
        assert!(url(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "api.example.com",
        "ftp://a",
        "https://",
        "https://a:0",
        "https://a:x",
        "https://a:",
        "https://a/?q=1",
        "https://a/#f",
        "https://a//b",
        "https://a/../b",
        "https://a/%2e%2e/b",
        "https://a b",
        "/v1",
    ] {
        assert!(url(bad).is_err(), "{bad}");
    }
    let wrong = url("https://user:hunter2@a").unwrap_err();
    assert!(!wrong.reason.contains("hunter2"));
}

#[test]
fn credentials_stay_away_from_framing() {
    assert_eq!(header_name("X-API-Key"), Ok("X-API-Key"));
    assert_eq!(header_name("Authorization"), Ok("Authorization"));
    for bad in ["", "X Key", "Host", "content-length", "Transfer-Encoding", "X-Keystile-Username", "ä"] {
        assert!(header_name(bad).is_err(), "{bad}");
    }
    assert!(query_name("auth-key").is_ok() && query_name("auth%2Dkey").is_err());
}

#[test]
fn templates() {
    assert_eq!(template("GET /customers/{id}").unwrap().to_string(), "GET /customers/{id}");
    for good in ["GET /", "POST /hooks/stripe/", "DELETE /a/{b}/c/{d_1}", "GET /files/{rest...}"] {
        assert!(template(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "/a",
        "GET",
        "GET a",
        "get /a",
        "GET  /a",
        "GET /a//b",
        "GET /a/../b",
        "GET /a?b",
        "GET /{a}/{a}",
        "GET /{rest...}/a",
        "GET /{}",
        "GET /{...}",
        "GET /a{b}",
        "GET /{a",
        "TRACE /a",
        "CONNECT /a",
        "GET /%41",
    ] {
        assert!(template(bad).is_err(), "{bad}");
    }
}

#[test]
fn secrets_in_paths_and_logs() {
    assert!(inject_path("/bot{secret}").is_ok());
    let pasted = inject_path("/bot123:ABC").unwrap_err();
    assert!(!format!("{pasted:?}").contains("ABC"));
    assert_eq!(log_target("file:/var/log/a"), Ok(LogTarget::File("/var/log/a".into())));
    assert!(log_target("file:").is_err() && log_target("syslog").is_err());
}

proptest! {
    #[test]
    fn socket_addresses_read_back(ip in any::<std::net::IpAddr>(), port in any::<u16>()) {
        let original = Address::Tcp(SocketAddr::new(ip, port));
        prop_assert_eq!(address(&original.to_string()).unwrap(), original);
    }

    #[test]
    fn networks_read_back(ip in any::<std::net::Ipv4Addr>(), prefix in 0_u8..=32) {
        let original = IpNet::new(ip.into(), prefix).unwrap().trunc();
        prop_assert_eq!(cidr(&original.to_string()).unwrap(), original);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = (address(&text), cidr(&text), url(&text), template(&text), inject_path(&text), header_name(&text));
    }
}
