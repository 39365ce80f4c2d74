//! Which journey a request makes: that of the door it came through.

use crate::model::listener::DoorKind;
use crate::model::{Listener, Snapshot};
use crate::serving::answer::{Arrival, Ended, Journeys, Passed};
use crate::serving::explanation::{Explanation, Question};
use crate::{egress, proxy};

/// Both doors of the house.
#[derive(Debug, Clone, Copy)]
pub struct BothDoors;

impl Journeys for BothDoors {
    async fn travel(self, arrival: &mut Arrival<'_>) -> Result<Passed, Ended> {
        match arrival.front.door {
            DoorKind::Inbound => proxy::journey::journey(arrival).await,
            DoorKind::Outbound => Ok(egress::journey::journey(arrival).await?),
        }
    }
}

/// What would become of a request, by the same rule.
pub fn explain(snapshot: &Snapshot, listener: &Listener, question: Question) -> Explanation {
    match listener.door.kind() {
        DoorKind::Inbound => proxy::explain::explain(snapshot, listener, question),
        DoorKind::Outbound => egress::explain::explain(snapshot, listener, question),
    }
}
