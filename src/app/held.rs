//! The listening sockets of the process, beside those who accept on them: so that a successor can be given all of them.

use crate::net::handover::Group;
use crate::net::listen::{self, Bound};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every socket by what it is for (`inbound 0.0.0.0:8443`).
#[derive(Default)]
pub struct Held(Mutex<BTreeMap<String, Bound>>);

impl Held {
    /// As long as these handles are open, the kernel goes on taking connections in.
    pub fn keep(&self, role: String, bound: Bound) {
        self.locked().insert(role, bound);
    }

    pub fn let_go(&self, role: &str) {
        self.locked().remove(role);
    }

    pub fn let_all_go(&self) {
        self.locked().clear();
    }

    /// Handles for a successor.
    pub fn groups(&self) -> io::Result<Vec<Group>> {
        let group = |(role, bound): (&String, &Bound)| {
            Ok(Group { role: role.clone(), file: bound.file.is_some(), sockets: listen::again(&bound.sockets)? })
        };
        self.locked().iter().map(group).collect()
    }

    /// A predecessor is gone: the files of what it handed over are ours.
    pub fn own_files(&self) {
        for file in self.locked().values_mut().filter_map(|bound| bound.file.as_mut()) {
            if let Err(error) = file.own() {
                tracing::error!(path = %file.path().display(), %error, "nobody can reach this socket any more");
            }
        }
    }

    /// A successor serves: the files are no longer ours to remove.
    pub fn hand_files_on(&self) {
        self.locked().values_mut().filter_map(|bound| bound.file.as_mut()).for_each(|file| file.hand_on());
    }

    /// Another `mode` in the configuration. systemd's files have those of its unit.
    pub fn change_mode(&self, role: &str, mode: u32) {
        if let Some(file) = self.locked().get_mut(role).and_then(|bound| bound.file.as_mut()) {
            file.wants(mode);
            if let Err(error) = file.own() {
                tracing::error!(path = %file.path().display(), %error, "cannot change the socket's mode");
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Bound>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
