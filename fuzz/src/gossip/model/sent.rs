//! What a node may send, as the documents describe it.

use std::collections::BTreeSet;

use libp2p_peer_sampling::{
    peer::Peer,
    sampler::{Request, Response},
    view::Descriptor,
};

use super::{
    super::{
        super::host::Host,
        OURSELVES,
        settings::{Kind, Settings},
    },
    Entry, Side, Views, sorted,
};

/// What was sent is the local descriptor and then the head of the view, which holds who it held.
pub(super) fn assert_sent(
    (local, settings): (Option<Host>, &Settings),
    sent: &[Entry],
    (partner, side): (u8, Side),
    (before, view): Views<'_>,
) {
    let c = settings.view_size;
    let mut expected = before.to_vec();
    let (with_local, most) = match (settings.kind, side) {
        (Kind::Fixed { .. } | Kind::Adaptive, _) => (true, (c / 2).saturating_sub(1)),
        (Kind::Cyclon { shuffle_length }, Side::Active) => {
            for descriptor in &mut expected {
                descriptor.age = descriptor.age.saturating_add(1);
            }
            // Never the partner itself.
            assert!(sent.iter().all(|d| d.peer.id != partner));
            (true, shuffle_length - 1)
        }
        (Kind::Cyclon { shuffle_length }, Side::Passive) => (false, shuffle_length),
        (Kind::Basalt { shuffle_length, .. }, _) => {
            assert!(sent.iter().all(|d| d.peer.id != partner));
            (true, shuffle_length - 1)
        }
    };
    assert_eq!(sorted(&expected), sorted(view), "only the order changes");
    let local = local.filter(|_| with_local).map(Descriptor::fresh);
    let others = match (sent.split_first(), local) {
        (Some((first, others)), Some(local)) if *first == local => others,
        _ => sent,
    };
    assert!(others.len() <= most);
    assert_eq!(view[..others.len()], *others);
}

/// What an answer may have in it. `answered`: whether all of these have answered.
pub(super) fn assert_answer(
    (local, settings): (Option<Host>, &Settings),
    (from, request): (u8, &Request<Host>),
    response: &Response<Host>,
    before: &[Entry],
    answered: impl Fn(&[u8]) -> bool,
) {
    let sent = &response.descriptors;
    if request.pull {
        let bytes: usize = sent.iter().map(|d| d.peer.size()).sum();
        assert!(bytes <= request.room, "{bytes} of {}", request.room);
        // What was sent was the head of the view before the merge: who that was, is all that
        // can be seen now.
        let known = |d: &Entry| {
            let is_local = local.map(Descriptor::fresh) == Some(*d);
            is_local || before.contains(d)
        };
        assert!(sent.iter().all(known), "{sent:?}");
        let ids: BTreeSet<u8> = sent.iter().map(|d| d.peer.id).collect();
        assert_eq!(ids.len(), sent.len(), "somebody twice: {sent:?}");
        let most = match settings.kind {
            Kind::Fixed { .. } | Kind::Adaptive => (settings.view_size / 2).max(1),
            Kind::Cyclon { shuffle_length } => shuffle_length,
            Kind::Basalt {
                shuffle_length,
                memory,
                ..
            } => {
                let told = |d: &Entry| {
                    let mut known = request.descriptors.iter().map(|d| d.peer.id);
                    d.peer.id == from || known.any(|id| id == d.peer.id)
                };
                let others = sent.iter().filter(|d| d.peer.id != OURSELVES);
                assert!(!others.clone().any(told), "what it knows: {sent:?}");
                if memory < usize::MAX {
                    let others: Vec<u8> = others.map(|d| d.peer.id).collect();
                    assert!(answered(&others));
                }
                shuffle_length
            }
        };
        assert!(sent.len() <= most);
    } else {
        assert!(sent.is_empty());
    }
}
