//! The peers that a node knows: its view, what the overlay makes of it, and what is kept about
//! each.

use std::sync::Arc;

use rand::Rng;

use crate::{
    gossip::{Failure, in_flight::InFlight},
    peer::Peer,
    sampling::{
        mode::Mode,
        overlay::{
            Choice, Outcome, Overlay,
            exchange::{Buffer, Merge, Outgoing, Side},
        },
        sampler::{
            admission::Admission,
            buffers::Buffers,
            config::Config,
            exchange::Started,
            marks::Marks,
            partners::{self, Eligible},
        },
        view::{Descriptor, View},
    },
    time::Time,
};

/// How many contacts are remembered for each peer that the view has room for. A guess: a peer may
/// leave the view and return.
const CONTACTS_PER_PEER: usize = 4;

/// The peers that a node knows. The [`Sampler`](crate::sampling::sampler::Sampler) decides when
/// there is an exchange and with what outcome, this what it does to the view.
#[derive(Debug)]
pub(super) struct Membership<P: Peer, O, R> {
    pub(super) id: P::Id,
    pub(super) local: Option<P>,
    pub(super) config: Arc<Config>,
    pub(super) overlay: O,
    pub(super) rng: R,
    pub(super) view: View<P>,
    pub(super) buffers: Buffers<P>,
    marks: Marks<P>,
    admission: Admission<P>,
}

impl<P: Peer, O: Overlay<P>, R: Rng> Membership<P, O, R> {
    /// Of a node that knows nobody.
    pub(super) fn new(id: P::Id, config: Arc<Config>, mut overlay: O, rng: R) -> Self {
        overlay.set_id(&id);
        Self {
            id,
            local: None,
            view: View::with_capacity(config.view_size()),
            config,
            overlay,
            rng,
            buffers: Buffers::default(),
            marks: Marks::new(),
            admission: Admission::new(),
        }
    }

    /// This node advertises itself so from now on.
    pub(super) fn set_local(&mut self, local: Option<P>) {
        self.local = local;
        let local = self.local.as_ref();
        self.overlay
            .local_changed(local, &mut self.view, &mut self.rng);
    }

    /// Reads what an exchange is going to need, and changes nothing.
    #[cfg(any(feature = "simulator", feature = "fuzzing"))]
    pub(super) fn touch(&self) {
        let others = (self.marks.is_empty(), self.buffers.is_empty());
        // One of eight small descriptors lies on each cache line.
        let ages = self.view.iter().step_by(8).map(|d| d.age);
        std::hint::black_box((others, ages.fold(0, u32::wrapping_add)));
    }

    /// Puts known peers into the view, as far as there is room; returns how many came in.
    pub(super) fn add(&mut self, peers: impl IntoIterator<Item = P>) -> usize {
        let before = self.view.len();
        for peer in peers {
            if self.view.len() >= self.config.view_size() {
                break;
            }
            if *peer.id() != self.id {
                self.view.insert(Descriptor::fresh(peer));
            }
        }
        self.tell_overlay();
        self.view.len().saturating_sub(before)
    }

    /// Takes a peer out of the view.
    pub(super) fn remove(&mut self, id: &P::Id) -> Option<P> {
        // It may be waiting as a sample, and have left the view long ago.
        self.marks.withdraw(id);
        self.overlay.removed(id);
        let removed = self.view.remove(id)?;
        self.tell_overlay();
        if self.view.is_empty() {
            self.admission.forgive();
        }
        Some(removed.peer)
    }

    /// Whether the node knows so few peers, by the overlay's word, that it looks for more in haste.
    pub(super) fn has_room(&self) -> bool {
        self.overlay.has_room(&self.view, self.config.view_size())
    }

    /// Whether there is nobody to start an exchange with.
    pub(super) fn knows_nobody(&self) -> bool {
        self.overlay.knows_nobody(&self.view)
    }

    /// How many records the node hopes for in an answer.
    pub(super) fn hopes_for(&self) -> usize {
        self.overlay.hopes_for(self.config.view_size())
    }

    /// What is known of a peer, of the view or of the overlay.
    pub(super) fn peer(&self, id: &P::Id) -> Option<&P> {
        let in_view = self.view.get(id).map(|descriptor| &descriptor.peer);
        in_view.or_else(|| self.overlay.record(id))
    }

    /// Tells the overlay of peers known from elsewhere.
    pub(super) fn set_candidates(&mut self, candidates: Vec<P>) {
        self.marks.set_candidates(candidates);
    }

    /// What a round brings beside exchanges. Returns how many more exchanges the overlay asks for,
    /// at most the view size.
    pub(super) fn begin_round(&mut self, now: Time) -> usize {
        if self.config.remembers_contacts() {
            self.marks.advance(now);
        }
        self.admission.begin_round();
        let mut samples = Vec::new();
        let (view_size, before) = (self.config.view_size(), self.view.len());
        self.overlay
            .begin_round(&mut self.view, view_size, &mut samples, &mut self.rng);
        self.marks.offer(&mut samples, view_size);
        if self.view.len() < before {
            self.forget_the_gone();
        }
        self.overlay.extra_exchanges(view_size).min(view_size)
    }

    /// The partner of the next exchange, and whether it is only probed.
    pub(super) fn select_partner(
        &mut self,
        tried: &[P::Id],
        in_flight: &InFlight<P::Id, Started<P::Id>>,
    ) -> Option<(P::Id, bool)> {
        let mut select = |refused| {
            let among = Eligible {
                tried,
                in_flight,
                refused,
            };
            let eligible = |id: &P::Id| among.contains(id);
            let choice = self
                .overlay
                .select_partner(&self.view, eligible, &mut self.rng);
            match choice {
                Choice::ByConfiguration => {
                    let selection = self.config.selection();
                    partners::select(selection, &self.view, &among, &mut self.rng)
                        .map_or(Choice::ByConfiguration, Choice::Exchange)
                }
                own => own,
            }
        };
        // Those that this node itself refuses only when there is nobody else, or the oldest of them
        // would be tried in every round, and nobody but it.
        let refused = self.marks.refused();
        let choice = match select(refused) {
            Choice::Nobody if !refused.is_empty() => select(&[]),
            Choice::ByConfiguration => select(&[]),
            choice => choice,
        };
        let (partner, probe) = match choice {
            Choice::Exchange(partner) => (partner, false),
            Choice::Probe(partner) => (partner, true),
            Choice::Nobody | Choice::ByConfiguration => return None,
        };
        // Whatever the overlay says: not two at a time with one peer, and none with itself.
        let is_free = partner != self.id && !in_flight.is_with(&partner);
        is_free.then_some((partner, probe))
    }

    /// Another peer has started an exchange with this node.
    pub(super) fn called(&mut self, by: &P::Id, now: Time) {
        self.note_contact(by, now);
        self.marks.shows_life(by);
        self.marks.accept(by);
        self.admission.called(by, now, &self.config);
    }

    /// A peer has answered an exchange that this node started.
    pub(super) fn answered(&mut self, partner: &P::Id, now: Time) {
        self.note_contact(partner, now);
        self.overlay.exchange_ended(partner, Outcome::Answered);
        self.marks.shows_life(partner);
        self.marks.accept(partner);
        self.admission.answered(partner);
    }

    /// An exchange that this node started came to nothing. Returns whether its partner has left the
    /// view for it.
    pub(super) fn failed(&mut self, partner: &P::Id, failure: Failure, now: Time) -> bool {
        let dead = match failure {
            Failure::Unreachable | Failure::Unsupported => true,
            Failure::Broken => self.marks.is_suspect(partner),
            Failure::Refused => false,
        };
        match failure {
            Failure::Refused => self.refuse(partner.clone()),
            _ if dead => self.overlay.exchange_ended(partner, Outcome::Dead),
            _ => self.overlay.exchange_ended(partner, Outcome::Broken),
        }
        if dead {
            let known = self.view.get(partner).map(|d| &d.peer);
            self.admission.failed(partner, known, (now, &self.config));
        }
        let removed = dead && self.remove(partner).is_some();
        if self.view.is_empty() {
            self.admission.forgive();
        }
        if failure == Failure::Broken && !dead && self.view.contains(partner) {
            self.marks.suspect(partner.clone());
        }
        removed
    }

    /// This node itself would not make an exchange with the peer.
    pub(super) fn refuse(&mut self, partner: P::Id) {
        self.overlay.exchange_ended(&partner, Outcome::Refused);
        if self.view.contains(&partner) {
            self.marks.refuse(partner);
        }
    }

    /// The peer that was refused for longest is passed over no more.
    pub(super) fn reconsider(&mut self) {
        self.marks.reconsider();
    }

    /// The next of the samples that the overlay gives out, if it does.
    pub(super) fn next_sample(&mut self) -> Option<P> {
        self.marks.next_sample()
    }

    /// Hands out one peer of the view.
    pub(super) fn select_peer(&mut self, mode: &impl Mode<P>) -> Option<P> {
        self.marks.hand_out(mode, &self.view, &mut self.rng)
    }

    /// All peers of the view count as handed out.
    pub(super) fn hand_out_all(&mut self) {
        self.marks.hand_out_all(&self.view);
    }

    /// Returns the buffer to send, which takes at most `room` bytes, and the peers of the view in
    /// it.
    pub(super) fn buffer(
        &mut self,
        (partner, side): (&P::Id, Side),
        known: &[Descriptor<P>],
        room: usize,
    ) -> (Vec<Descriptor<P>>, Vec<P::Id>) {
        let mut outgoing = Outgoing {
            view_size: self.config.view_size(),
            partner,
            side,
            known,
            candidates: self.marks.candidates(),
            buffer: Buffer {
                local: self.local.as_ref(),
                room,
                descriptors: self.buffers.descriptors(),
                sent: self.buffers.ids(),
            },
        };
        self.overlay
            .compose(&mut self.view, &mut outgoing, &mut self.rng);
        let Buffer {
            descriptors, sent, ..
        } = outgoing.buffer;
        (descriptors, sent)
    }

    /// Merges what an exchange has brought into the view.
    pub(super) fn merge(
        &mut self,
        (partner, side): (&P::Id, Side),
        sent: Vec<P::Id>,
        mut received: Vec<Descriptor<P>>,
        now: Time,
    ) {
        received.retain(|d| *d.peer.id() != self.id);
        let settings = (now, &*self.config);
        self.admission
            .filter(&self.view, (partner, side), &mut received, settings);
        // What comes from elsewhere passes no such filter there.
        let admits = self
            .admission
            .admits_candidate(&self.view, &received, settings);
        self.marks.retain_candidates(admits);
        let newcomers = self.config.diversity().map(|_| {
            let ids = received.iter().map(|d| d.peer.id());
            let new = ids.filter(|id| !self.view.contains(id));
            new.cloned().collect()
        });
        let merge = Merge {
            view_size: self.config.view_size(),
            partner,
            side,
            sent: &sent,
            received: &mut received,
            candidates: self.marks.candidates(),
        };
        self.view.with_workspace(self.buffers.workspace(), |view| {
            self.overlay.merge(view, merge, &mut self.rng);
        });
        debug_assert!(self.view.len() <= self.config.view_size());
        if let Some(newcomers) = newcomers {
            self.admission.note(&self.view, (partner, side), newcomers);
        }
        self.marks.retain(&self.view);
        // But not what a peer with a larger view has sent, so nothing is hoarded.
        if received.capacity() <= self.config.view_size() {
            self.buffers.keep(received);
        }
        self.buffers.keep_ids(sent);
    }

    /// An exchange with the peer has succeeded.
    fn note_contact(&mut self, id: &P::Id, now: Time) {
        if self.config.remembers_contacts() {
            let most = CONTACTS_PER_PEER * self.config.view_size();
            self.marks.met(id, now, most);
        }
    }

    /// The view has changed in another way than by a merge.
    fn tell_overlay(&mut self) {
        let view_size = self.config.view_size();
        self.overlay
            .view_changed(&mut self.view, view_size, &mut self.rng);
        self.forget_the_gone();
    }

    /// Forgets what is kept about peers that are no longer in the view.
    fn forget_the_gone(&mut self) {
        self.marks.retain(&self.view);
        self.admission.retain(&self.view);
    }
}

#[cfg(any(feature = "simulator", feature = "fuzzing"))]
impl<P: Peer, O, R> Membership<P, O, R> {
    /// Exchanges the storage of messages for another.
    pub(super) fn swap_buffers(&mut self, buffers: &mut Buffers<P>) {
        std::mem::swap(&mut self.buffers, buffers);
    }
}
