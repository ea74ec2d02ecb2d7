//! This node's own trouble: when it has no network or too much to do, it cannot tell whether others
//! answer.

use std::time::Duration;

use libp2p_core::Multiaddr;

use crate::{
    swarm::address::{Host, Target},
    time::Time,
};

/// Whether this node can tell whether others answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// How long an exchange may take: for so long what fails is not held against anybody.
    timeout: Duration,
    until: Time,
    /// When anybody was heard last.
    heard_at: Time,
    /// Whether there was ever a connection over IPv4, and over IPv6.
    reached: [bool; 2],
}

impl Trouble {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            until: Time::ZERO,
            heard_at: Time::ZERO,
            reached: [false; 2],
        }
    }

    /// This node has too much to do, or no network: nothing that fails for as long as an exchange
    /// takes is held against anybody.
    pub(crate) fn note(&mut self, now: Time) {
        self.until = now + self.timeout;
    }

    /// Whether failures say nothing about others at the moment.
    pub(crate) fn is_in(&self, now: Time) -> bool {
        now < self.until
    }

    /// Somebody has sent something.
    pub(crate) fn heard(&mut self, now: Time) {
        self.heard_at = now;
    }

    /// A dial has met no network. A node that has just heard somebody has one, whatever that
    /// address is.
    pub(crate) fn met_no_network(&mut self, now: Time) {
        if self.heard_at + self.timeout <= now {
            self.note(now);
        }
    }

    /// There is a connection, and the other end is at `remote`.
    pub(crate) fn connected(&mut self, remote: Option<Target>) {
        if let Some(Host::Ip(ip)) = remote.map(|target| target.host()) {
            self.reached[usize::from(ip.is_ipv6())] = true;
        }
    }

    /// Whether this node has ever had a connection of the address family of `address`: a machine
    /// without IPv6 has not lost it.
    pub(crate) fn has_reached(&self, address: &Multiaddr) -> bool {
        match Target::of(address).map(|target| target.host()) {
            Some(Host::Ip(ip)) => self.reached[usize::from(ip.is_ipv6())],
            _ => true,
        }
    }
}
