//! What all behaviours of one peer share: which connections they keep, which dials are under way,
//! how many dials this node may make, who may have a request read, and what was counted.

pub(crate) mod budget;
pub(crate) mod contacts;
pub(crate) mod dials;
pub(crate) mod gate;
pub(crate) mod holder;
pub(crate) mod leases;
pub(crate) mod strain;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::StreamProtocol;

use crate::{
    swarm::{
        clock::Clock,
        counters::Tally,
        limits::Limits,
        node::{
            budget::Budget,
            dials::Dials,
            gate::Gate,
            leases::{HolderId, Lease, Leases},
            strain::Health,
        },
    },
    time::{Backoff, Time},
};

/// What all behaviours of one peer share. The sampler makes it, and others get it by its
/// [`Handle`](crate::Handle).
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) local: PeerId,
    pub(crate) limits: Limits,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tally: Arc<Tally>,
    /// The name of the first sampler's protocol, which all profiles are signed for.
    profiled: OnceLock<StreamProtocol>,
    clock: Clock,
    /// How much later than that it is said to be.
    #[cfg(test)]
    later: Mutex<Duration>,
    state: Mutex<State>,
}

/// What is behind the lock of a node.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) budget: Budget,
    pub(crate) dials: Dials,
    pub(crate) leases: Leases,
    pub(crate) announcement: Option<Announcement>,
    /// Of those of the node's samplers that are not well.
    pub(crate) health: BTreeMap<HolderId, Health>,
}

/// What one of the behaviours tells all behaviours of the swarm, and which of this node's have
/// heard it.
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) peer: PeerId,
    pub(crate) address: Multiaddr,
    pub(crate) heard: BTreeSet<HolderId>,
}

impl Node {
    /// What profiles are signed for: the protocol of the node's first sampler, so that another one
    /// can take candidates from it. `protocol`: of the sampler that asks.
    pub(crate) fn profiled(&self, protocol: &StreamProtocol) -> &str {
        self.profiled.get_or_init(|| protocol.clone()).as_ref()
    }

    /// For a peer whose time `clock` tells. `period`: of its sampler's rounds. `backoff`: how
    /// long an address is left alone after a dial in vain, at first and at most.
    pub(crate) fn new(
        local: PeerId,
        limits: Limits,
        (period, backoff): (Duration, Option<Backoff>),
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            local,
            gate: Arc::new(Gate::new(&limits, period)),
            tally: Arc::new(Tally::default()),
            profiled: OnceLock::new(),
            clock,
            #[cfg(test)]
            later: Mutex::default(),
            state: Mutex::new(State {
                budget: Budget::new(&limits, backoff),
                dials: Dials::default(),
                leases: Leases::default(),
                announcement: None,
                health: BTreeMap::new(),
            }),
            limits,
        })
    }

    /// What tells its time.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// What time it is, for all behaviours of the node.
    pub(crate) fn now(&self) -> Time {
        let now = self.clock.now();
        #[cfg(test)]
        let now = now + *self.later.lock().unwrap_or_else(PoisonError::into_inner);
        now
    }

    /// Lets so much time pass.
    #[cfg(test)]
    pub(crate) fn pass(&self, later: Duration) {
        *self.later.lock().unwrap_or_else(PoisonError::into_inner) += later;
    }

    /// How the node bears what it has to do: that of its samplers which bears it worst.
    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        let all = state.health.values().copied();
        all.fold(Health::Well, Health::worse)
    }

    /// One of the node's behaviours bears it so from now on: while there is too much to do, fewer
    /// requests are read.
    pub(crate) fn set_health(&self, of: HolderId, health: Health) {
        match health {
            Health::Well => self.lock().health.remove(&of),
            _ => self.lock().health.insert(of, health),
        };
        self.gate.slow_down(self.health().slowdown());
    }

    /// Who keeps which connection open, and what for.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.lock().leases.all()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
