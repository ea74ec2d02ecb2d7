//! Addresses that siblings are told, and are asked for.

use std::task::{Context, Poll};

use futures::task::noop_waker;
use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{FromSwarm, NetworkBehaviour, NewExternalAddrOfPeer, ToSwarm};

use crate::swarm::sampling::behaviour::{Behaviour, network::spelt_as_siblings, tests::behaviour};

/// The swarm tells what one behaviour says to all of them, to that one too.
#[test]
fn own_announcements_are_no_candidates() {
    let mut behaviour = behaviour(&Keypair::generate_ed25519());
    let [found, told] = [1, 2].map(|_| PeerId::random());
    let address: Multiaddr = "/memory/1".parse().expect("a multiaddr");
    let actions = &mut behaviour.driver.exchanger.keeper.actions;
    actions.announce(found, address.clone().with(Protocol::P2p(found)));
    let waker = noop_waker();
    let action = behaviour.poll(&mut Context::from_waker(&waker));
    let Poll::Ready(ToSwarm::NewExternalAddrOfPeer {
        peer_id,
        address: addr,
    }) = action
    else {
        panic!("not announced: {action:?}");
    };
    let tell = |behaviour: &mut Behaviour, peer_id, addr: &Multiaddr| {
        let event = NewExternalAddrOfPeer { peer_id, addr };
        behaviour.on_swarm_event(FromSwarm::NewExternalAddrOfPeer(event));
        behaviour
            .driver
            .discovery
            .candidates
            .is_waiting(behaviour.now())
    };
    assert!(!tell(&mut behaviour, peer_id, &addr));
    // Another behaviour, mDNS for example, says the same.
    assert!(tell(&mut behaviour, peer_id, &addr));
    assert!(tell(&mut behaviour, told, &address));
}

/// An application may name addresses itself, in either spelling, and ask for more.
#[test]
fn address_that_the_dial_names_is_not_added_in_another_spelling() {
    let peer = PeerId::random();
    let [one, other] = [1, 2].map(|port| Multiaddr::empty().with(Protocol::Memory(port)));
    let full = |address: &Multiaddr| address.clone().with(Protocol::P2p(peer));
    let known = || vec![one.clone(), other.clone()];
    let all = [full(&one), full(&other)];
    assert_eq!(spelt_as_siblings(peer, known(), &[]), all);
    for given in [one.clone(), full(&one)] {
        let added = spelt_as_siblings(peer, known(), &[given]);
        assert_eq!(added, [full(&other)]);
    }
}
