//! From a file, and a store if it names one, to what runs.

use super::Gateway;
use super::keeping;
use crate::assembly::{self, Assembled, Holdings, Store, Written};
use crate::control::opening::{self, Opened};
use crate::control::{Control, Estate, Outlet, Stored};
use crate::model::Keys;
use crate::net::inherited::Inherited;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a gateway that has the database may take to let go of it: one that is being restarted drains first.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that is needed to start.
pub struct Start {
    pub assembled: Assembled,
    written: Written,
    holdings: Holdings,
    stored: Option<(Stored, Outlet)>,
}

impl Start {
    /// Opens the store, and reads the file beside what it had. `Err` holds what to print: every mistake of the file, or why the
    /// store cannot be used.
    pub async fn read(path: &Path, store: Option<Store>, takeover: bool) -> anyhow::Result<Start> {
        anyhow::ensure!(
            store.is_none() || !takeover,
            "--takeover does not go with a store: one process at a time has the database\n    restart the gateway; with \
             systemd's sockets nobody is turned away meanwhile"
        );
        let opened = match &store {
            Some(store) => Some(opening::open(store, assembly::base_of(path), PATIENCE).await?),
            None => None,
        };
        let (stored, holdings, keys) = match opened {
            Some(Opened { stored, outlet, holdings, keys }) => (Some((stored, outlet)), holdings, keys),
            None => (None, Holdings::default(), Keys::default()),
        };
        let read = assembly::read(path, &holdings, &keys);
        let (assembled, written) = read.map_err(|rejected| anyhow::anyhow!("{rejected}"))?;
        Ok(Start { assembled, written, holdings, stored })
    }

    /// The gateway, and the use cases over it.
    pub fn run(self, inherited: &mut Inherited) -> anyhow::Result<(Arc<Gateway>, Arc<Control>)> {
        let gateway = Arc::new(Gateway::start(self.assembled, inherited)?);
        let estate = Estate { written: Arc::new(self.written), holdings: self.holdings };
        let control =
            Control::new(gateway.clone(), self.stored, estate, Some(keeping::verified)).explaining(super::explain);
        Ok((gateway, Arc::new(control)))
    }
}
