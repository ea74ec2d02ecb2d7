//! What an overlay is given of an exchange: the message to be sent, and what was received.

use crate::{peer::Peer, sampling::view::Descriptor};

/// Which end of an exchange a node is: the paper's two threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The node that started the exchange.
    Active,
    /// The node that was asked.
    Passive,
}

/// What is sent in one exchange, for [`Overlay::compose`] to fill: for which peer it is, and what
/// is in it so far. What does not fit is left out.
///
/// Its storage is used again and again, so that an exchange allocates nothing.
///
/// [`Overlay::compose`]: crate::sampling::overlay::Overlay::compose
#[derive(Debug)]
pub struct Outgoing<'a, P: Peer> {
    /// The view size c.
    pub view_size: usize,
    /// The peer that is going to receive it.
    pub partner: &'a P::Id,
    /// Which end of the exchange this node is.
    pub side: Side,
    /// At the passive end, what the partner has just sent and need not be told. Empty at the active
    /// one.
    pub known: &'a [Descriptor<P>],
    /// Peers known from elsewhere: see
    /// [`Sampler::set_candidates`](crate::sampling::sampler::Sampler::set_candidates).
    pub candidates: &'a [P],
    pub(crate) buffer: Buffer<'a, P>,
}

/// What an exchange brings to [`Overlay::merge`](crate::sampling::overlay::Overlay::merge).
#[derive(Debug)]
pub struct Merge<'a, P: Peer> {
    /// The view size c: how many descriptors may stay.
    pub view_size: usize,
    /// Who is at the other end.
    pub partner: &'a P::Id,
    /// Which end of the exchange this node is.
    pub side: Side,
    /// The peers that were sent to the other side in this exchange, in the order of sending,
    /// without the sender itself.
    pub sent: &'a [P::Id],
    /// What was received, without descriptors of this node itself. To be emptied; its storage is
    /// used again.
    pub received: &'a mut Vec<Descriptor<P>>,
    /// Peers known from elsewhere: see
    /// [`Sampler::set_candidates`](crate::sampling::sampler::Sampler::set_candidates).
    pub candidates: &'a [P],
}

/// What is in a message, and how much more fits.
#[derive(Debug)]
pub(crate) struct Buffer<'a, P: Peer> {
    /// This node, if it advertises itself and is not in the message yet.
    pub(crate) local: Option<&'a P>,
    /// How many bytes are left.
    pub(crate) room: usize,
    /// What is sent.
    pub(crate) descriptors: Vec<Descriptor<P>>,
    /// The peers in it, without this node.
    pub(crate) sent: Vec<P::Id>,
}

impl<P: Peer> Outgoing<'_, P> {
    /// Adds this node's own descriptor at age 0, if the node advertises itself, once.
    pub fn push_local(&mut self) {
        if let Some(local) = self.buffer.local.take()
            && self.buffer.takes(local)
        {
            self.buffer
                .descriptors
                .push(Descriptor::fresh(local.clone()));
        }
    }

    /// Adds a descriptor, of the view or not. Returns false, and leaves it out, when it does not
    /// fit.
    pub fn push(&mut self, descriptor: &Descriptor<P>) -> bool {
        let takes = self.buffer.takes(&descriptor.peer);
        if takes {
            self.buffer.sent.push(descriptor.peer.id().clone());
            self.buffer.descriptors.push(descriptor.clone());
        }
        takes
    }

    /// Adds these descriptors in this order, up to the first that does not fit.
    pub fn extend(&mut self, descriptors: &[Descriptor<P>]) {
        let buffer = &mut self.buffer;
        let fitting = descriptors.iter().take_while(|d| buffer.takes(&d.peer));
        let fitting = fitting.count();
        let fitting = &descriptors[..fitting];
        let ids = fitting.iter().map(|d| d.peer.id().clone());
        self.buffer.sent.extend(ids);
        self.buffer.descriptors.reserve_exact(fitting.len());
        self.buffer.descriptors.extend_from_slice(fitting);
    }

    /// How many descriptors it has, this node's own left out.
    pub fn len(&self) -> usize {
        self.buffer.sent.len()
    }

    /// Whether it has none, this node's own left out.
    pub fn is_empty(&self) -> bool {
        self.buffer.sent.is_empty()
    }
}

impl<P: Peer> Buffer<'_, P> {
    /// Whether the peer still fits; it then takes its room.
    fn takes(&mut self, peer: &P) -> bool {
        let rest = self.room.checked_sub(peer.size());
        self.room = rest.unwrap_or(self.room);
        rest.is_some()
    }
}

/// An empty message without an own descriptor, of unlimited length.
#[cfg(test)]
pub(crate) fn to<P: Peer>(partner: &P::Id, side: Side, view_size: usize) -> Outgoing<'_, P> {
    Outgoing {
        view_size,
        partner,
        side,
        known: &[],
        candidates: &[],
        buffer: Buffer {
            local: None,
            room: usize::MAX,
            descriptors: Vec::new(),
            sent: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that takes as many bytes as its number says.
    #[derive(Debug, Clone, PartialEq)]
    struct Heavy(u32);

    impl Peer for Heavy {
        type Id = u32;

        fn id(&self) -> &u32 {
            &self.0
        }

        fn size(&self) -> usize {
            self.0 as usize
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let descriptors = [5, 3, 9, 1].map(|size| Descriptor::fresh(Heavy(size)));
        let local = Heavy(2);
        let mut outgoing = to(&99, Side::Active, 10);
        outgoing.buffer.local = Some(&local);
        outgoing.buffer.room = 12;
        outgoing.push_local();
        outgoing.push_local();
        outgoing.extend(&descriptors);
        assert_eq!((outgoing.len(), outgoing.is_empty()), (2, false));
        assert!(!outgoing.push(&descriptors[2]), "2 bytes are left");
        assert!(outgoing.push(&descriptors[3]));
        let ids = |descriptors: &[Descriptor<Heavy>]| -> Vec<u32> {
            descriptors.iter().map(|d| d.peer.0).collect()
        };
        assert_eq!(ids(&outgoing.buffer.descriptors), [2, 5, 3, 1]);
        assert_eq!(outgoing.buffer.sent, [5, 3, 1], "without this node itself");
    }
}
