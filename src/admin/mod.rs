//! Floor 8: the admin listener: `/healthz`, `/readyz`, `/metrics`, and the admin API under `/api/v1`. It runs on the control
//! runtime and never delays a request.
//!
//! What the API can do is one table (`routes`): router, OpenAPI document and documentation are made of it. A call goes
//! through `api`, a step a line; what it does is the use cases' (`control`), which also ask who may do it.

pub(crate) mod api;
mod body;
mod call;
mod credentials;
mod docs;
pub(crate) mod guard;
mod health;
pub(crate) mod json;
mod listen;
mod log;
mod openapi;
mod parameters;
mod preconditions;
mod problem;
mod routes;
mod service;

pub use health::Health;
pub use listen::open;
pub use service::Service;
