//! How many connections callers may hold open: at a listener, from one address, and in the whole process. Touched when a
//! connection comes and when it goes, never by a request.

use super::slots::{Slots, Taken};
use crate::model::listener::{ConnectionCaps, ConnectionRefusal};
use crate::policy::address::counted;
use dashmap::DashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The connections that are open at one listener, over all cores.
pub struct OpenConnections {
    /// What all listeners share: descriptors.
    process: Arc<Slots>,
    open: AtomicU32,
    /// Has an entry for an address (IPv6: a /64) only while it has a connection, and so at most as many as there are.
    by_address: DashMap<IpAddr, u32>,
}

/// A connection that was let in; counted out when dropped.
#[must_use = "dropping it says that the connection is closed"]
pub struct Admitted {
    at: Arc<OpenConnections>,
    address: Option<IpAddr>,
    _descriptor: Taken,
}

impl OpenConnections {
    pub fn new(process: Arc<Slots>) -> Arc<OpenConnections> {
        Arc::new(OpenConnections { process, open: AtomicU32::new(0), by_address: DashMap::new() })
    }

    /// Lets one more connection in, whoever's it is.
    pub fn admit(self: &Arc<Self>, caps: ConnectionCaps) -> Result<Admitted, ConnectionRefusal> {
        let _descriptor = self.process.take().ok_or(ConnectionRefusal::DescriptorsShort)?;
        let free = |open| (open < caps.total).then_some(open + 1);
        let counted = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
        counted.map_err(|_| ConnectionRefusal::ListenerFull)?;
        Ok(Admitted { at: self.clone(), address: None, _descriptor })
    }
}

impl Admitted {
    /// Counts it as one of `address`, unless that has enough already. Called once, when the address is known.
    pub fn belongs_to(&mut self, address: IpAddr, caps: ConnectionCaps) -> Result<(), ConnectionRefusal> {
        let address = counted(address);
        let mut open = self.at.by_address.entry(address).or_insert(0);
        if *open >= caps.per_address {
            return Err(ConnectionRefusal::AddressFull);
        }
        *open += 1;
        self.address = Some(address);
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.at.open.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        self.at.by_address.remove_if_mut(&address, |_, open| {
            *open = open.saturating_sub(1);
            *open == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: ConnectionCaps = ConnectionCaps { total: 3, per_address: 2 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_listener_takes_so_many_and_one_more_when_one_goes() {
        let open = OpenConnections::new(Arc::new(Slots::new(100)));
        let mut held: Vec<_> = (0..3).map(|_| open.admit(CAPS).ok().unwrap()).collect();
        assert_eq!(open.admit(CAPS).err(), Some(ConnectionRefusal::ListenerFull));
        assert!(open.admit(ConnectionCaps { total: 4, ..CAPS }).is_ok(), "a reload may raise it");
        held.pop();
        assert!(open.admit(CAPS).is_ok());
    }

    #[test]
    fn all_listeners_share_what_the_process_has() {
        let process = Arc::new(Slots::new(2));
        let (one, other) = (OpenConnections::new(process.clone()), OpenConnections::new(process));
        let held = (one.admit(CAPS).ok().unwrap(), other.admit(CAPS).ok().unwrap());
        assert_eq!(one.admit(CAPS).err(), Some(ConnectionRefusal::DescriptorsShort));
        drop(held);
        assert!(one.admit(CAPS).is_ok());
    }

    #[test]
    fn an_address_is_counted_apart_and_forgotten_with_its_last_connection() {
        let open = OpenConnections::new(Arc::new(Slots::new(100)));
        let from = |address: &str| {
            let mut admitted = open.admit(ConnectionCaps { total: 100, ..CAPS })?;
            admitted.belongs_to(ip(address), CAPS).map(|()| admitted)
        };
        let held = [from("2001:db8::1").ok().unwrap(), from("2001:db8::2").ok().unwrap()];
        assert_eq!(from("2001:db8::3").err(), Some(ConnectionRefusal::AddressFull), "a /64 is one caller");
        assert!(from("2001:db8:0:1::1").is_ok() && from("192.0.2.1").is_ok() && from("::ffff:192.0.2.1").is_ok());
        assert_eq!(open.by_address.len(), 1);
        drop(held);
        assert_eq!((open.by_address.len(), open.open.load(Ordering::Relaxed)), (0, 0), "nothing is kept");
        assert!(from("2001:db8::3").is_ok());
    }
}
