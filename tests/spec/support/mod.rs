//! What the tests stand on: a gateway, upstreams that record, a client that writes bytes, and a standard world of them.

pub mod capture;
pub mod client;
pub mod command;
pub mod gateway;
pub mod h2;
pub mod h2_caller;
pub mod h2_judge;
pub mod h2_raw;
pub mod hpack;
pub mod hunt;
pub mod managed;
pub mod provider;
pub mod replies;
pub mod secured;
pub mod sender;
pub mod stored;
pub mod upstream;
pub mod wire;
pub mod world;

pub use client::{Ask, Connection, Reply, raw};
pub use gateway::{Directory, Gateway, Setup};
pub use h2::{H2Answer, H2Upstream};
pub use managed::{Api, Managed};
pub use secured::Provider;
pub use stored::{Founded, Stored};
pub use upstream::{Answer, Gate, Recorded, Upstream};
pub use world::{Builder, World, digest, token};

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long anything may take before a test fails. Nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// An address where nobody listens, nor will: the port is held, so that no other test is given it.
pub fn nobody() -> SocketAddr {
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    // To the end of all tests.
    std::mem::forget(held);
    address
}
