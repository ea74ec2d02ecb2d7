//! How far attackers have got.

use crate::{
    sampling::overlay::Overlay,
    simulator::{
        graph::Graph,
        host::Host,
        network::{Network, Sampled},
        sets::Sets,
    },
};

/// What the attackers of a network have achieved.
///
/// Identities that they have made up count as attackers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// The share of attackers in the view of an honest node, 0 to 1: the mean over all views that
    /// hold anybody.
    pub attacker_share: f64,
    /// The share of attackers in what the sampling service has handed out since the report before,
    /// 0 to 1, where each honest node asks it for one peer at the end of each round. 0 if no round
    /// has passed since.
    pub attacker_samples: f64,
    /// How many honest nodes are cut off from the others: those whose view holds no honest peer
    /// that is there, and those that are not in the largest piece of the graph of honest nodes.
    pub isolated: usize,
    /// How many dials honest nodes have made since the report before at the victim of
    /// [`Attack::Spray`](crate::simulator::adversary::attack::Attack::Spray), all of them together.
    pub victim_dials: u64,
    /// The share of attackers in the view of the victim of
    /// [`Attack::Eclipse`](crate::simulator::adversary::attack::Attack::Eclipse), 0 to 1; 0 while
    /// its view is empty. `None` when there is no such victim.
    pub victim_share: Option<f64>,
}

impl Exposure {
    /// Of the network as it is now; `None` where there are no attackers. `sampled` and
    /// `victim_dials` are counted since the report before.
    pub(crate) fn of<O: Overlay<Host> + Clone>(
        network: &Network<O>,
        graph: &Graph,
        sampled: Sampled,
        victim_dials: u64,
    ) -> Option<Self> {
        let victim = network.attackers()?.victim();
        let share = |id| {
            let view = network.node(id)?.view();
            let hostile = view.iter().filter(|d| d.peer.is_hostile()).count();
            (!view.is_empty()).then(|| hostile as f64 / view.len() as f64)
        };
        let shares = network.nodes().filter_map(|(id, _)| share(id));
        let (sum, views) = shares.fold((0.0, 0_usize), |(sum, views), share| {
            (sum + share, views + 1)
        });
        let victim = victim.filter(|id| network.node(*id).is_some());
        Some(Self {
            attacker_share: sum / views.max(1) as f64,
            attacker_samples: sampled.hostile as f64 / sampled.drawn.max(1) as f64,
            isolated: isolated(graph),
            victim_dials,
            victim_share: victim.map(|id| share(id).unwrap_or_default()),
        })
    }
}

/// How many nodes know nobody, or are not in the largest piece.
fn isolated(graph: &Graph) -> usize {
    let mut sets = Sets::new(graph.len());
    for (node, peer) in graph.edges() {
        sets.join(node, peer);
    }
    let nodes = (0..).take(graph.len());
    let largest = nodes.clone().max_by_key(|&node| sets.size_of(node));
    let cut_off = |&node: &u32| {
        graph.view(node).is_empty()
            || largest.is_some_and(|largest| !sets.are_joined(node, largest))
    };
    nodes.filter(cut_off).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_knows_nobody_or_is_apart_is_isolated() {
        let of = |views: Vec<(u32, Vec<u32>)>| isolated(&Graph::new(9, views));
        assert_eq!(of(vec![]), 0);
        assert_eq!(of(vec![(0, vec![]), (1, vec![])]), 2);
        let ring = |ids: std::ops::Range<u32>| {
            let next = {
                let ids = ids.clone();
                move |id| ids.start + (id + 1 - ids.start) % ids.len() as u32
            };
            ids.map(move |id| (id, vec![next(id)]))
        };
        assert_eq!(of(ring(0..9).collect()), 0);
        assert_eq!(of(ring(0..6).chain(ring(6..9)).collect()), 3);
        // Known to one of the others, but knows nobody that is there.
        let mut one_blind: Vec<_> = ring(0..8).collect();
        one_blind[0].1.push(8);
        one_blind.push((8, vec![7_000]));
        assert_eq!(of(one_blind), 1);
    }
}
