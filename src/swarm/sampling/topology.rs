//! What a ranked overlay needs of its node: candidates from the sampler beside it, and connections
//! to the peers that it ranks first.

use std::time::Duration;

use rand::rngs::StdRng;

use crate::{
    peer::Peer,
    sampling::{overlay::Overlay, sampler::Sampler},
    swarm::{
        exchanger::Exchanger,
        handle::{Handle, publisher::Publisher},
        record::Record,
        sampling::{event::Event, neighbourhood::Neighbourhood, targets::Targets},
        wire::sampling::Sampling,
    },
    time::{Time, Wake},
};

/// How often a node whose view is empty looks for candidates, if its period is longer. A guess: the
/// sampler beside it finds its first peers in about that time.
const HASTE: Duration = Duration::from_secs(1);

/// Feeds a ranked overlay, and follows its targets. Does nothing where the overlay does not rank.
#[derive(Debug)]
pub(crate) struct Topology {
    feed: Option<Handle>,
    period: Duration,
    /// When the overlay is fed next.
    feed_at: Time,
    targets: Targets,
}

impl Topology {
    /// `feed`: the sampler whose view has the candidates. `period`: of the rounds.
    pub(crate) fn new(feed: Option<Handle>, period: Duration) -> Self {
        Self {
            feed,
            period,
            feed_at: Time::ZERO,
            targets: Targets::default(),
        }
    }

    /// Gives the overlay the view of the sampler beside it, once a period. A view that is empty is
    /// filled from it.
    pub(crate) fn feed<O: Overlay<Record>>(
        &mut self,
        sampler: &mut Sampler<Record, O, StdRng>,
        now: Time,
    ) {
        let Some(feed) = self.feed.as_ref().filter(|_| self.feed_at <= now) else {
            return;
        };
        let candidates: Vec<Record> = feed.view().peers().cloned().collect();
        if sampler.view().is_empty() {
            sampler.init(candidates.iter().cloned());
        }
        sampler.set_candidates(candidates);
        let pause = match sampler.view().is_empty() {
            true => self.period.min(HASTE),
            false => self.period,
        };
        self.feed_at = now + pause;
    }

    /// When [`Self::feed`] has something to do.
    pub(crate) fn next_wake(&self) -> Option<Wake> {
        let is_fed = self.feed.is_some();
        is_fed.then(|| Wake::new(self.feed_at, "candidates for the ranking"))
    }

    /// Tells the neighbourhood which peers the overlay ranks first, and the application which of
    /// them this node has met.
    pub(crate) fn settle<O: Overlay<Record>>(
        &mut self,
        sampler: &Sampler<Record, O, StdRng>,
        publisher: &Publisher,
        (neighbourhood, exchanger): (&mut Neighbourhood, &mut Exchanger<Sampling, Event>),
    ) {
        let count = sampler.overlay().targets(sampler.view());
        let first = sampler.view().head(count).iter();
        if self
            .targets
            .set(first.map(|descriptor| *descriptor.peer.id()))
        {
            neighbourhood.set_targets(self.targets.ranked());
        }
        if self.targets.is_empty() {
            return;
        }
        let news = publisher.contacts(|contacts| self.targets.news(|peer| contacts.contains(peer)));
        for event in news {
            exchanger.keeper.actions.emit(event);
        }
    }
}
