//! The dial budget.

use libp2p_swarm::{ConnectionId, DialError};

use crate::{
    swarm::{
        limits::Limits,
        sampling::{
            config::Config,
            driver::testing::{
                SECOND, add_seed, address, dial_failed, dial_of, drain, driver, fail_dials, fakes,
                memory, nobody_there,
            },
        },
    },
    time::Time,
};

/// A full view of fakes clears without their victim's being dialled for each of them.
#[test]
fn fakes_at_one_address_leave_the_view_undialled() {
    let mut config = Config::open_internet().with_quarantine(None);
    config = config.with_view_size(100).with_neighbours(0);
    let mut driver = driver(config);
    fakes(&mut driver, 100, &address());
    let mut dials = 0;
    for second in 0..300 {
        dials += fail_dials(&mut driver, nobody_there, Time::new(second * SECOND)).len();
    }
    assert_eq!(dials, 3);
    assert!(driver.sampler.view().is_empty());
}

/// As many dials as a minute may have: the others have to wait, and stay.
#[test]
fn spent_budget_blames_no_peer_and_leaves_seeds_to_dial() {
    let limits = Limits {
        dials_per_minute: 1,
        ..Default::default()
    };
    let config = Config::open_internet().with_limits(limits);
    let mut driver = driver(config.with_neighbours(0));
    for port in 1..=10 {
        fakes(&mut driver, 1, &memory(port));
    }
    let dials: usize = (0..5)
        .map(|second| fail_dials(&mut driver, nobody_there, Time::new(second * SECOND)).len())
        .sum();
    assert_eq!(dials, 1);
    assert_eq!(driver.sampler.view().len(), 9);
    let seed = memory(99);
    add_seed(&mut driver, seed);
    driver.advance(Time::new(5 * SECOND));
    assert!(dial_of(drain(&mut driver)).is_some(), "the seed is dialled");
}

/// Siblings dial by what gossip says, too, and are held to the same.
#[test]
fn siblings_get_addresses_within_the_budget() {
    let mut driver = driver(Config::open_internet().with_quarantine(None));
    fakes(&mut driver, 10, &address());
    let peers: Vec<_> = driver
        .sampler
        .view()
        .iter()
        .map(|d| d.peer.peer_id())
        .collect();
    let mut dials = 0;
    for (peer, id) in peers.into_iter().zip(1 << 41..) {
        let id = ConnectionId::new_unchecked(id);
        dials += driver
            .addresses_to_dial(id, Some(peer), Time::new(SECOND))
            .len();
        dial_failed(
            &mut driver,
            peer,
            id,
            &DialError::Transport(Vec::new()),
            Time::new(SECOND),
        );
    }
    assert_eq!(dials, 3);
    assert!(driver.exchanger.keeper.holder.dials_nobody());
}
