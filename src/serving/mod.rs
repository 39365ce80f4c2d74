//! Floor 6: what carries the requests of either door: workers, accepting, connections, the record, and what stands around
//! a journey. Which journey it is, those above decide ([`answer::Journeys`]).

pub mod accept;
pub mod answer;
pub mod asked;
pub mod core;
pub mod delivery;
pub mod desks;
pub mod exchange;
pub mod explanation;
pub mod front;
pub mod load;
pub mod panics;
pub mod reply_body;
pub mod request_id;
pub mod serve;
pub mod steps;
pub mod tunnel;
pub mod worker;
