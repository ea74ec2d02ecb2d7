//! What befalls the nodes of a world: cuts, crashes, halts.

use libp2p_core::Multiaddr;

use crate::swarm::world::{World, driven::Driven};

impl<D: Driven> World<D> {
    /// Closes the connections between nodes for which `is_lost` says so.
    pub(crate) fn disconnect(&mut self, is_lost: impl Fn(usize, usize) -> bool) {
        for (a, b) in self.medium.connections.all().collect::<Vec<_>>() {
            if is_lost(a.0, b.0) {
                self.close(a);
            }
        }
    }

    /// The node is gone, and its connections with it.
    pub(crate) fn crash(&mut self, node: usize) {
        for at in self.nodes.behaviours_of(node) {
            self.nodes.drivers[at] = None;
            D::forget(at, &mut self.notes);
        }
        self.disconnect(|a, b| a == node || b == node);
    }

    /// From now on these nodes reach none but each other.
    pub(crate) fn cut_off(&mut self, island: impl IntoIterator<Item = usize>) {
        self.medium.network.island = island.into_iter().collect();
        let island = self.medium.network.island.clone();
        self.disconnect(|a, b| island.contains(&a) != island.contains(&b));
    }

    /// The nodes that were stopped go on.
    pub(crate) fn thaw(&mut self) {
        let now = self.now();
        for node in std::mem::take(&mut self.medium.network.frozen) {
            // Its timer is late, and the behaviour says so.
            if let Some(driver) = &mut self.nodes.drivers[node] {
                driver.exchanger_mut().trouble.note(now);
            }
            self.settle(node);
        }
    }

    /// A crashed node starts again at `home`, with this driver.
    pub(crate) fn revive(&mut self, node: usize, home: Multiaddr, driver: D) {
        self.medium.network.homes[node] = home;
        self.nodes.drivers[node] = Some(driver);
        self.wakes[node] = None;
        self.settle(node);
    }
}
