//! The specification, as tests: each is named by the number of the behaviour it shows, and runs against the real binary
//! over real sockets, with upstreams that record every byte.

mod canary;
mod caps;
mod cli;
mod credentials_stripped;
mod destinations;
mod environments;
mod errors;
mod explained;
mod faults;
mod h2;
mod hearsay;
mod injection;
mod keys;
mod keys_states;
mod life;
mod limits;
mod limits_failed;
mod log_lines;
mod passed;
mod paths;
mod proxy_protocol;
mod reload;
mod signals;
mod support;
mod takeover;
mod tls;
mod tls_client;
mod tls_reload;
mod upgrades;
mod wire;
mod wire_upstream;
mod workflows;
