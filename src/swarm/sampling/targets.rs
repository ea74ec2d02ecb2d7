//! The targets of a ranked overlay: which of them are up, and what is said about it.

use libp2p_identity::PeerId;

use crate::swarm::sampling::event::Event;

/// The peers that the overlay ranks first, and which of them the application was told of.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    ranked: Vec<PeerId>,
    up: Vec<PeerId>,
}

impl Targets {
    /// Sets the peers that the overlay ranks first now; returns whether they are others than
    /// before.
    pub(crate) fn set(&mut self, ranked: impl Iterator<Item = PeerId> + Clone) -> bool {
        if self.ranked.iter().copied().eq(ranked.clone()) {
            return false;
        }
        self.ranked.clear();
        self.ranked.extend(ranked);
        true
    }

    /// The peers that the overlay ranks first, the best first.
    pub(crate) fn ranked(&self) -> &[PeerId] {
        &self.ranked
    }

    /// Whether there are none, and none is up still.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranked.is_empty() && self.up.is_empty()
    }

    /// What the application is to be told: those that are ranked first are up once they are met.
    pub(crate) fn news(&mut self, is_met: impl Fn(&PeerId) -> bool) -> Vec<Event> {
        let is_up = |peer: &PeerId| self.ranked.contains(peer) && is_met(peer);
        let (up, down): (Vec<PeerId>, Vec<PeerId>) = self.up.iter().copied().partition(is_up);
        let new = self.ranked.iter().filter(|peer| is_met(peer));
        let new: Vec<PeerId> = new.filter(|peer| !up.contains(peer)).copied().collect();
        let fallen = down.into_iter().map(|peer| Event::TargetDown { peer });
        let risen = new.iter().map(|peer| Event::TargetUp { peer: *peer });
        let news = fallen.chain(risen).collect();
        self.up = up;
        self.up.extend(new);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_up_once_it_is_met_and_until_it_is_outranked() {
        let mut targets = Targets::default();
        let [a, b, c] = [(); 3].map(|()| PeerId::random());
        let mut step = |ranked: &[PeerId], met: &[PeerId]| {
            let changed = targets.set(ranked.iter().copied());
            let news = targets.news(|peer| met.contains(peer));
            let news = news.into_iter().map(|event| match event {
                Event::TargetUp { peer } => (peer, true),
                Event::TargetDown { peer } => (peer, false),
                other => panic!("{other:?}"),
            });
            (changed, news.collect::<Vec<_>>())
        };
        assert_eq!(step(&[a, b], &[a]), (true, vec![(a, true)]));
        assert_eq!(step(&[a, b], &[a]), (false, vec![]));
        assert_eq!(step(&[a, b], &[a, b]), (false, vec![(b, true)]));
        assert_eq!(step(&[c, b], &[b, c]), (true, vec![(a, false), (c, true)]));
        assert_eq!(step(&[c, b], &[c]), (false, vec![(b, false)]));
        assert_eq!(step(&[], &[c]), (true, vec![(c, false)]));
    }
}
