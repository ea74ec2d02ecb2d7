//! What must hold of samplers whenever nothing is under way.

use std::collections::BTreeSet;

use crate::swarm::world::{World, connections::End, sampler::Sampler};

impl World<Sampler> {
    /// Checks what must hold whenever nothing is under way; `bound`: of neighbours.
    pub(crate) fn check(&self, what: &str, bound: usize) {
        let kept = self.check_drivers(what, bound);
        self.check_handlers(what);
        // Those that a sibling has dialled, or wanted as well, are the sibling's and the idle
        // time-out's to close.
        let ours = |(a, b): &(End, End)| {
            let dialler = self.driver(a.0).expect("the dead are disconnected");
            let keeper = &dialler.exchanger.keeper;
            let is_ours = keeper.connections.is_ours(&self.nodes.peers[b.0], a.1);
            is_ours && !keeper.is_lifeline(a.1)
        };
        let open = self.medium.connections.all().filter(ours);
        let open: BTreeSet<_> = open.map(|(a, b)| (a.0.min(b.0), a.0.max(b.0))).collect();
        let left: Vec<_> = open.difference(&kept).collect();
        assert!(left.is_empty(), "{what}: connected for nothing: {left:?}");
    }

    /// Nothing is under way, and both ends of each pair of neighbours agree; returns the pairs.
    fn check_drivers(&self, what: &str, bound: usize) -> BTreeSet<(usize, usize)> {
        let mut kept = BTreeSet::new();
        for (at, driver) in self.nodes.live() {
            let node = self.nodes.node(at);
            let me = &self.nodes.peers[node];
            let exchanges = driver.exchanger.under_way();
            assert!(exchanges.is_empty(), "{what}: {exchanges:?}");
            let holder = &driver.exchanger.keeper.holder;
            assert!(holder.dials_nobody(), "{what}: {holder:?}");
            assert!(!driver.sampler.view().contains(me), "{what}: itself");
            assert!(
                driver.neighbourhood.is_settled(),
                "{what}: a place is held for nothing"
            );
            let told = self.notes.neighbours.iter();
            let told = told.filter(|(whose, _)| *whose == at);
            let told: BTreeSet<_> = told.map(|(_, peer)| *peer).collect();
            let is: BTreeSet<_> = driver.neighbourhood.members().iter().copied().collect();
            assert_eq!(told, is, "{what}: what {at} was told of its neighbours");
            let saved = driver.publisher.handle().contacted();
            assert!(!saved.is_empty(), "{what}: {at} has found nobody");
            let neighbours = driver.neighbourhood.members();
            assert!(neighbours.len() <= bound, "{what}: {neighbours:?}");
            for peer in neighbours {
                let other = self.nodes.position(peer).expect("known");
                let back = self.driver(self.nodes.counterpart(at, other));
                let back = back.expect("the dead are disconnected");
                assert!(
                    back.neighbourhood.contains(me),
                    "{what}: {at} keeps {other}, which does not keep it"
                );
                assert!(
                    driver.exchanger.keeper.connections.is_direct(peer),
                    "{what}: {at} keeps {other} through a relay"
                );
                kept.insert((node.min(other), node.max(other)));
            }
        }
        kept
    }

    /// Handlers keep alive what is kept for a neighbour or as a lifeline, and nothing else.
    fn check_handlers(&self, what: &str) {
        let connections = &self.medium.connections;
        for (a, b) in connections.all() {
            for (end, other) in [(a, b), (b, a)] {
                for at in self.nodes.behaviours_of(end.0) {
                    let driver = self.driver(at).expect("the dead are disconnected");
                    let alive = self.medium.handlers.is_kept_alive((at, end.1));
                    let peer = &self.nodes.peers[other.0];
                    let is_relayed = connections.is_relayed(end.1);
                    let neighbour = driver.neighbourhood.contains(peer) && !is_relayed;
                    let wanted = neighbour || driver.exchanger.keeper.is_lifeline(end.1);
                    assert_eq!(alive, wanted, "{what}: kept alive, and a neighbour");
                }
            }
        }
    }
}
