//! What a simulator of very many nodes does with each.

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        overlay::Overlay,
        sampler::{Sampler, buffers::Buffers},
    },
};

impl<P: Peer, O: Overlay<P>, R: Rng> Sampler<P, O, R> {
    /// Does `work` with this node, whose messages then come out of `buffers`, and leave their
    /// storage there. For a simulator: a node that rests then holds no buffer, and those in use
    /// stay in the cache.
    pub(crate) fn with_buffers<T>(
        &mut self,
        buffers: &mut Buffers<P>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.members.swap_buffers(buffers);
        let done = work(self);
        self.members.swap_buffers(buffers);
        done
    }

    /// Reads what an exchange is going to need, and changes nothing. For a simulator of so many
    /// nodes that no cache holds them: when several are touched before their turns, the misses are
    /// waited for together.
    pub(crate) fn touch(&self) {
        self.in_flight.touch();
        self.rounds.touch();
        self.members.touch();
    }
}
