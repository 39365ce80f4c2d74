//! Which journey a request makes: that of the door it came through.

use crate::model::Denial;
use crate::model::listener::DoorKind;
use crate::serving::answer::{Arrival, Journeys, Passed};
use crate::{egress, proxy};

/// Both doors of the house.
#[derive(Debug, Clone, Copy)]
pub struct BothDoors;

impl Journeys for BothDoors {
    async fn travel(self, arrival: Arrival<'_>) -> Result<Passed, Denial> {
        match arrival.front.door {
            DoorKind::Inbound => proxy::journey::journey(arrival).await,
            DoorKind::Outbound => egress::journey::journey(arrival).await,
        }
    }
}
