//! The values of a [`View`]'s fields. `opt_…` are for fields without a default.

use std::{net::SocketAddr, path::Path, time::Duration};

use super::{
    kind::Kind,
    scalar::{self, Rate, Wrong},
    shape::Shape,
    tree::Node,
    view::View,
};
use crate::model::listener::Address;

impl<'a> View<'a> {
    /// The text of this value, if it fits the schema; else its default.
    pub fn text_here(&self) -> Option<&'a str> {
        let kind = match self.shape {
            Shape::Scalar(kind) | Shape::OrFalse(kind) => kind,
            _ => return None,
        };
        let written = self.node.and_then(Node::text).filter(|text| kind.accepts(text));
        written.or(self.default)
    }

    /// The text of a field, or its default.
    pub fn text(&self, names: &str) -> Option<&'a str> {
        self.part(names).text_here()
    }

    /// A field's value, or its default.
    pub fn opt<T>(&self, names: &str, read: impl Fn(&'a str) -> Result<T, Wrong>) -> Option<T> {
        let part = self.part(names);
        // `read` judges as the schema did: what did not fit is not read.
        let written = part.node.and_then(Node::text).and_then(|text| read(text).ok());
        written.or_else(|| part.default.and_then(|text| read(text).ok()))
    }

    /// The value of a field that has a default.
    pub fn get<T>(&self, names: &str, read: impl Fn(&'a str) -> Result<T, Wrong>) -> T {
        let value = self.opt(names, read);
        value.unwrap_or_else(|| panic!("{:?}.{names} has no default", self.at.trail))
    }

    /// A field that can be switched off: `None` if it is, else its value or default.
    pub fn switch(&self, names: &str) -> Option<&'a str> {
        let part = self.part(names);
        match part.node.and_then(Node::text) {
            Some("false") => None,
            _ => part.text_here().filter(|text| *text != "false"),
        }
    }

    /// The same, and `None` if nothing is written at all.
    pub fn opt_switch(&self, names: &str) -> Option<Option<&'a str>> {
        self.is_set(names).then(|| self.switch(names))
    }

    /// `true`, or `false` if neither it nor a default is written.
    pub fn flag(&self, names: &str) -> bool {
        self.opt(names, scalar::flag).unwrap_or(false)
    }

    /// `None` if neither it nor a default is written.
    pub fn opt_flag(&self, names: &str) -> Option<bool> {
        self.opt(names, scalar::flag)
    }

    pub fn duration(&self, names: &str) -> Duration {
        self.get(names, scalar::duration)
    }

    pub fn opt_duration(&self, names: &str) -> Option<Duration> {
        self.opt(names, scalar::duration)
    }

    pub fn size(&self, names: &str) -> u64 {
        self.get(names, scalar::size)
    }

    pub fn opt_size(&self, names: &str) -> Option<u64> {
        self.opt(names, scalar::size)
    }

    pub fn rate(&self, names: &str) -> Rate {
        self.get(names, scalar::rate)
    }

    pub fn opt_rate(&self, names: &str) -> Option<Rate> {
        self.opt(names, scalar::rate)
    }

    pub fn opt_integer(&self, names: &str) -> Option<u64> {
        let part = self.part(names);
        match part.shape {
            Shape::Scalar(Kind::Integer { least, most }) => part.opt_here(|text| scalar::integer(text, least, most)),
            _ => None,
        }
    }

    pub fn opt_address(&self, names: &str) -> Option<Address> {
        self.opt(names, scalar::address)
    }

    /// The address of a listener that is no Unix socket.
    pub fn opt_socket(&self, names: &str) -> Option<SocketAddr> {
        match self.opt_address(names) {
            Some(Address::Tcp(address)) => Some(address),
            _ => None,
        }
    }

    pub fn opt_path(&self, names: &str) -> Option<&'a Path> {
        self.opt(names, scalar::path)
    }

    /// Milliseconds since 1970.
    pub fn opt_moment(&self, names: &str) -> Option<i64> {
        self.opt(names, scalar::timestamp)
    }

    fn opt_here<T>(&self, read: impl Fn(&'a str) -> Result<T, Wrong>) -> Option<T> {
        self.text_here().and_then(|text| read(text).ok())
    }
}
