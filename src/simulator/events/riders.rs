//! A second protocol on each node, beside the sampler.

use std::{collections::VecDeque, convert::Infallible};

use crate::{
    gossip::{Exchange, ExchangeId, Failure, Peers, Protocol},
    sampling::{mode::selection::Selection, overlay::Overlay},
    simulator::{
        events::lane::Seats,
        host::Host,
        network::{Network, Node},
    },
    time::{Time, Wake},
};

/// How many neighbours a node of a simulation has at most: as many as a node in a
/// swarm keeps by default.
pub const NEIGHBOURS: usize = 8;

/// How many partners of the sampler's latest exchanges are kept for a rider that has not asked for
/// them yet: more than one fanout, and few enough that they are recent.
const EXCHANGED: usize = 4;

/// No rider: the nodes run the sampler alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRider {}

impl Protocol for NoRider {
    type Id = u32;
    type Request = Infallible;
    type Response = Infallible;
    type Event = Infallible;

    fn poll_exchange(
        &mut self,
        _peers: &mut impl Peers<u32>,
        _now: Time,
    ) -> Option<Exchange<u32, Infallible>> {
        match *self {}
    }

    fn handle_request(
        &mut self,
        _from: &u32,
        request: Infallible,
        _now: Time,
    ) -> Option<Infallible> {
        match request {}
    }

    fn handle_outcome(
        &mut self,
        _id: ExchangeId,
        _outcome: Result<Infallible, Failure>,
        _now: Time,
    ) {
        match *self {}
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        match *self {}
    }

    fn next_wake(&self) -> Option<Wake> {
        match *self {}
    }
}

/// The riders of all nodes.
pub(super) struct Riders<P: Protocol<Id = u32>> {
    /// Makes the rider of a node; `None`: there are no riders.
    make: Option<Box<dyn FnMut(u32) -> P + Send>>,
    /// By number of the node; `None` for those that have vanished.
    riders: Vec<Option<Rider<P>>>,
    /// What they have told their applications, and nobody has taken yet.
    events: Vec<(u32, P::Event)>,
}

struct Rider<P> {
    protocol: P,
    /// Peers that have this node among theirs, too.
    neighbours: Vec<u32>,
    /// Partners of the sampler's latest exchanges that were not handed out, the latest last.
    exchanged: VecDeque<u32>,
}

impl<P: Protocol<Id = u32>> Riders<P> {
    /// None at all.
    pub(super) fn none() -> Self {
        Self {
            make: None,
            riders: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Made by this for each node.
    pub(super) fn made_by(make: impl FnMut(u32) -> P + Send + 'static) -> Self {
        Self {
            make: Some(Box::new(make)),
            ..Self::none()
        }
    }

    /// How many numbers of nodes have had a rider.
    pub(super) fn ids(&self) -> usize {
        self.riders.len()
    }

    /// The rider of a node.
    pub(super) fn get(&self, id: u32) -> Option<&P> {
        let rider = self.riders.get(id as usize)?.as_ref()?;
        Some(&rider.protocol)
    }

    /// The rider of a node, to be changed.
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut P> {
        Some(&mut self.rider_mut(id)?.protocol)
    }

    /// All riders, by number of the node.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &P)> + Clone {
        let numbered = (0..).zip(&self.riders);
        numbered.filter_map(|(id, rider)| Some((id, &rider.as_ref()?.protocol)))
    }

    /// The neighbours of a node.
    pub(super) fn neighbours(&self, id: u32) -> &[u32] {
        let rider = self.riders.get(id as usize).and_then(Option::as_ref);
        rider.map_or(&[], |rider| &rider.neighbours)
    }

    /// What the riders have told their applications since the last time.
    pub(super) fn take_events(&mut self) -> Vec<(u32, P::Event)> {
        std::mem::take(&mut self.events)
    }

    /// Newcomers get a rider, those that have vanished lose theirs, and their neighbours are told.
    /// Returns these.
    pub(super) fn follow<O: Overlay<Host> + Clone>(
        &mut self,
        network: &Network<O>,
        now: Time,
    ) -> Vec<u32> {
        let Some(make) = &mut self.make else {
            return Vec::new();
        };
        for id in self.riders.len()..network.ids() {
            let id = id as u32;
            let rider = network.node(id).map(|_| Rider {
                protocol: make(id),
                neighbours: Vec::new(),
                exchanged: VecDeque::new(),
            });
            self.riders.push(rider);
        }
        let mut told = Vec::new();
        for id in 0..self.riders.len() as u32 {
            if network.node(id).is_some() {
                continue;
            }
            let gone = self.riders[id as usize].take();
            for other in gone.map_or(Vec::new(), |gone| gone.neighbours) {
                if let Some(rider) = self.rider_mut(other) {
                    rider.neighbours.retain(|neighbour| *neighbour != id);
                    rider.protocol.handle_neighbour(&id, false, now);
                    told.push(other);
                }
            }
        }
        told
    }

    /// An exchange between the samplers of two nodes has succeeded: the first may make one of its
    /// own over the same connection, and if both have room, they become neighbours. Returns whether
    /// they have.
    pub(super) fn exchanged(&mut self, from: u32, with: u32, now: Time) -> bool {
        let Some(rider) = self.rider_mut(from) else {
            return false;
        };
        rider.exchanged.retain(|partner| *partner != with);
        rider.exchanged.push_back(with);
        if rider.exchanged.len() > EXCHANGED {
            rider.exchanged.pop_front();
        }
        let has_room = |riders: &Self, one, other: &u32| {
            let neighbours = riders.neighbours(one);
            neighbours.len() < NEIGHBOURS && !neighbours.contains(other)
        };
        if !has_room(self, from, &with) || !has_room(self, with, &from) {
            return false;
        }
        for (one, other) in [(with, from), (from, with)] {
            let Some(rider) = self.rider_mut(one) else {
                return false;
            };
            rider.neighbours.push(other);
            rider.protocol.handle_neighbour(&other, true, now);
        }
        true
    }

    fn rider_mut(&mut self, id: u32) -> Option<&mut Rider<P>> {
        self.riders.get_mut(id as usize)?.as_mut()
    }
}

/// The riders, each beside its node's sampler.
pub(super) struct Beside<'a, O, P: Protocol<Id = u32>> {
    pub(super) network: &'a mut Network<O>,
    pub(super) riders: &'a mut Riders<P>,
    pub(super) round: u64,
}

/// Where a rider takes its partners from: its node's sampler.
pub(super) struct Sampled<'a, O> {
    sampler: &'a mut Node<O>,
    neighbours: &'a [u32],
    exchanged: &'a mut VecDeque<u32>,
}

impl<O: Overlay<Host>> Peers<u32> for Sampled<'_, O> {
    fn select_peer(&mut self) -> Option<u32> {
        let peer = self.sampler.select_peer(Selection::Uniform);
        peer.map(|Host(number)| number)
    }

    fn neighbours(&self) -> &[u32] {
        self.neighbours
    }

    fn next_exchanged(&mut self) -> Option<u32> {
        self.exchanged.pop_back()
    }
}

impl<O: Overlay<Host> + Clone, P: Protocol<Id = u32>> Seats<P> for Beside<'_, O, P> {
    type Peers<'a>
        = Sampled<'a, O>
    where
        Self: 'a;

    fn seat(&mut self, id: u32) -> Option<(&mut P, Sampled<'_, O>)> {
        let rider = self.riders.riders.get_mut(id as usize)?.as_mut()?;
        let peers = Sampled {
            sampler: self.network.node_mut(id)?,
            neighbours: &rider.neighbours,
            exchanged: &mut rider.exchanged,
        };
        Some((&mut rider.protocol, peers))
    }

    fn reaches(&self, from: u32, to: u32) -> bool {
        self.riders.get(to).is_some()
            && self.network.node(to).is_some()
            && !self.network.parts(from, to, self.round)
    }

    fn rests(&mut self, id: u32) {
        let Some(rider) = self.riders.riders.get_mut(id as usize) else {
            return;
        };
        while let Some(event) = rider.as_mut().and_then(|rider| rider.protocol.poll_event()) {
            self.riders.events.push((id, event));
        }
    }

    fn in_request(&self, _request: &P::Request) -> usize {
        0
    }

    fn in_response(&self, _response: &P::Response) -> usize {
        0
    }
}
