//! Who may be in a view after a merge, as the documents describe it.

use std::collections::BTreeMap;

use super::{super::settings::Kind, Entry, Side};

/// Everybody who may be in the view after a merge, in which version and at which age, and by how
/// much all age then.
pub(super) fn union(
    kind: Kind,
    before: &[Entry],
    admitted: &[Entry],
    (partner, side): (u8, Side),
) -> (BTreeMap<u8, Entry>, u32) {
    let mut union = BTreeMap::new();
    match kind {
        Kind::Fixed { .. } | Kind::Adaptive | Kind::Basalt { .. } => {
            for descriptor in before.iter().chain(admitted) {
                freshest(&mut union, *descriptor);
            }
        }
        Kind::Cyclon { shuffle_length } => {
            let turned = |d: &&Entry| side == Side::Passive || d.peer.id != partner;
            let kept: Vec<Entry> = before.iter().filter(turned).copied().collect();
            for descriptor in &kept {
                union.insert(descriptor.peer.id, *descriptor);
            }
            for descriptor in admitted.iter().take(shuffle_length) {
                let mut descriptor = *descriptor;
                if let Some(known) = kept.iter().find(|d| d.peer.id == descriptor.peer.id) {
                    descriptor.age = known.age;
                }
                freshest(&mut union, descriptor);
            }
        }
    }
    let ageing = match kind {
        Kind::Fixed { .. } | Kind::Adaptive => 1,
        Kind::Cyclon { .. } | Kind::Basalt { .. } => 0,
    };
    (union, ageing)
}

fn freshest(union: &mut BTreeMap<u8, Entry>, descriptor: Entry) {
    let known = union.entry(descriptor.peer.id).or_insert(descriptor);
    known.age = known.age.min(descriptor.age);
    known.peer.version = known.peer.version.max(descriptor.peer.version);
}
