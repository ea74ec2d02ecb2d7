//! To copy: an overlay of one's own, in the simulator and in a swarm. It keeps the peers that were
//! heard of most recently. `cargo run --release --example own_overlay`.

use std::error::Error;

use libp2p::identity::Keypair;
use libp2p_peer_sampling::{
    Behaviour, Config,
    overlay::{Merge, Outgoing, Overlay, OverlayError},
    peer::Peer,
    rand::Rng,
    sampler,
    simulator::{
        config::Config as Network,
        driver::Driver,
        faults::{Crash, Faults},
        rounds::Rounds,
    },
    view::View,
};

/// Keeps the youngest descriptors, and sends half of them.
#[derive(Debug, Clone, Copy)]
struct Youngest;

impl<P: Peer> Overlay<P> for Youngest {
    /// There is no setting that could be wrong.
    fn check(&self, _view_size: usize) -> Result<(), OverlayError> {
        Ok(())
    }

    /// This node, and half of the view, at random.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        let half = outgoing.view_size / 2;
        view.permute_head(half, view.len(), rng);
        outgoing.push_local();
        outgoing.extend(view.head(half));
    }

    /// All together, one descriptor for each peer, and the oldest go.
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, _rng: &mut R) {
        view.append(merge.received);
        let surplus = view.len().saturating_sub(merge.view_size);
        view.remove_old_items(surplus);
        view.increase_age();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // 1,000 nodes in the simulator. Half of them crash: how long are they remembered?
    let gossip = sampler::Config::default().with_view_size(20);
    let crash = Crash {
        fraction: 0.5,
        round: 20,
    };
    let network = Network::new(1_000)
        .with_gossip(gossip)
        .with_faults(Faults::none().with_crash(crash));
    let mut rounds = Rounds::new(network, Youngest)?;
    for round in 1..=30 {
        rounds.next_round();
        let dead = rounds.network().graph().dead_share() * 100.0;
        if round >= 20 {
            println!("Round {round}: {dead:.1} % of all links lead to dead nodes");
        }
    }

    // The same in a swarm.
    let config = Config::local().with_view_size(20).with_overlay(Youngest);
    let sampling = Behaviour::new(&Keypair::generate_ed25519(), config)?;
    println!("{} has this overlay", sampling.local_peer_id());
    Ok(())
}
