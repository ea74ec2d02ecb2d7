//! What the application is told of a node that knows nobody.

use std::time::Duration;

use libp2p_identity::Keypair;

use crate::swarm::sampling::{
    behaviour::{
        Behaviour,
        tests::{behaviour, events},
    },
    event::Event,
};

#[test]
fn isolated_node_says_so_until_it_has_left() {
    let keypair = Keypair::generate_ed25519();
    for left in [false, true] {
        let mut behaviour = behaviour(&keypair);
        let isolated = |behaviour: &mut Behaviour, later| {
            let events = events(behaviour, later);
            events
                .iter()
                .any(|event| matches!(event, Event::Isolated(_)))
        };
        assert!(!isolated(&mut behaviour, Duration::ZERO));
        assert!(behaviour.alarm.is_set(), "nothing wakes it");
        if left {
            behaviour.leave();
        }
        assert_eq!(isolated(&mut behaviour, Duration::from_secs(11)), !left);
        assert!(
            !isolated(&mut behaviour, Duration::from_secs(11)),
            "again at once"
        );
        assert_eq!(isolated(&mut behaviour, Duration::from_secs(300)), !left);
    }
}
