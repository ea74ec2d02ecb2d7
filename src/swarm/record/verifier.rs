//! Checks the records that others send, with the profiles beside them, and remembers those that
//! passed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use prost::Message;

use crate::{
    swarm::{
        address::{policy::AddressPolicy, split_peer},
        counters::Tally,
        generated as pb,
        limits::{Limits, MAX_ADDRESSES, MAX_RECORD_BYTES},
        rate::{Bucket, Rate},
        record::{
            DOMAIN, PAYLOAD_TYPE, Record,
            error::RecordError,
            passed::{Passed, Tag, Tagger},
            profiles::Profiles,
            signature::{self, Signature, Verdict, key_type},
        },
    },
    time::Time,
};

/// How much work a record may make that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// This node has asked for the record, which bounds how many come: its signature is verified.
    Asked,
    /// It came unasked at this time: its signature is verified within the budget for those.
    Unasked(Time),
}

/// What is left to do for a record.
enum Opened {
    /// It has passed before.
    Known(Record),
    Unverified(Record, Box<Signature>, Tag),
}

/// Checks records, and remembers those that passed. Shared by all connections.
#[derive(Debug)]
pub(crate) struct Verifier {
    policy: AddressPolicy,
    limits: Limits,
    /// Of records and profiles that nobody has asked for.
    unasked: Rate,
    tally: Arc<Tally>,
    tagger: Tagger,
    profiles: Profiles,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    passed: Passed<Record>,
    /// For records and profiles that nobody has asked for.
    budget: Bucket,
}

impl Verifier {
    /// `protocol`: its name, with that of the network, whose profiles are taken.
    pub(crate) fn new(
        policy: AddressPolicy,
        limits: Limits,
        protocol: &str,
        tally: Arc<Tally>,
    ) -> Self {
        let most = limits.records_remembered;
        Self {
            policy,
            profiles: Profiles::new(protocol.to_owned(), most, tally.clone()),
            tally,
            tagger: Tagger::default(),
            state: Mutex::new(State {
                passed: Passed::new(most),
                budget: Bucket::default(),
            }),
            unasked: Rate::per(limits.verifications_per_second, Duration::from_secs(1)),
            limits,
        }
    }

    /// The record in `envelope`. A record that is not taken is counted, with its reason.
    pub(crate) fn check(&self, envelope: Vec<u8>, effort: Effort) -> Result<Record, RecordError> {
        let mut checked = self.check_all([envelope], effort);
        checked.next().unwrap_or(Err(RecordError::NotVerified))
    }

    /// The records in the envelopes of one message, in their order, each with the profile beside
    /// it. A bad record costs its profile, too. A bad profile costs only itself.
    pub(crate) fn check_described(
        &self,
        described: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        effort: Effort,
    ) -> Vec<Result<Record, RecordError>> {
        let (envelopes, profiles): (Vec<_>, Vec<_>) = described.into_iter().unzip();
        let mut checked: Vec<_> = self.check_all(envelopes, effort).collect();
        let records = checked.iter_mut().zip(profiles);
        let records =
            records.filter_map(|(record, profile)| Some((record.as_mut().ok()?, profile)));
        self.profiles.give(records, || self.may_verify(effort));
        checked
    }

    /// The records in the envelopes of one message, in their order. One that is not taken is
    /// counted, with its reason.
    ///
    /// What costs anything, the keys and the signatures, comes last, and not for an envelope that
    /// has passed before. One that has passed lately is not even read. Signatures are verified
    /// together. If one of them is wrong, they are verified one by one, and after the first wrong
    /// one no more, so that such a message makes at most half as much work again as a good one.
    pub(crate) fn check_all(
        &self,
        envelopes: impl IntoIterator<Item = Vec<u8>>,
        effort: Effort,
    ) -> impl Iterator<Item = Result<Record, RecordError>> {
        let envelopes = envelopes.into_iter();
        let opened: Vec<_> = envelopes.map(|bytes| self.open(bytes, effort)).collect();
        let signatures: Vec<_> = opened
            .iter()
            .filter_map(|opened| match opened {
                Ok(Opened::Unverified(_, signature, _)) => Some(&**signature),
                _ => None,
            })
            .collect();
        let mut verdict = Verdict::on(&signatures);
        opened.into_iter().map(move |opened| {
            let checked = opened.and_then(|opened| self.settle(opened, &mut verdict));
            if let Err(error) = &checked {
                tracing::debug!(%error, "A record is passed over");
                self.tally.pass_over(error.reason());
            }
            checked
        })
    }

    /// Reads an envelope, and does all but verify its signature.
    fn open(&self, envelope: Vec<u8>, effort: Effort) -> Result<Opened, RecordError> {
        if envelope.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge {
                bytes: envelope.len(),
            });
        }
        let tag = self.tagger.tag(&envelope[..]);
        let known = self.state().passed.whole(tag);
        if let Some(known) = known {
            self.tally.records_known.add(1);
            return Ok(Opened::Known(known));
        }
        let opened = pb::Envelope::decode(&envelope[..])?;
        if opened.payload_type != PAYLOAD_TYPE {
            return Err(RecordError::PayloadType);
        }
        let key = opened.public_key.unwrap_or_default();
        let key_type = key_type(&key)?;
        let record = pb::PeerRecord::decode(&opened.payload[..])?;
        let subject = PeerId::from_bytes(&record.peer_id).map_err(RecordError::PeerId)?;
        if record.addresses.len() > MAX_ADDRESSES {
            return Err(RecordError::TooManyAddresses {
                count: record.addresses.len(),
            });
        }
        if envelope.len() > self.limits.record_bytes
            || record.addresses.len() > self.limits.addresses_per_record
            || !self.limits.key_types.contains(&key_type)
        {
            return Err(RecordError::BeyondLimits);
        }
        let addresses = self.addresses(&subject, record.addresses)?;
        let record = Record::new(subject, record.seq, addresses, envelope);
        let has_passed = self.state().passed.contains(tag);
        if has_passed {
            self.tally.records_known.add(1);
            self.state().passed.note(tag, &record);
            return Ok(Opened::Known(record));
        }
        if !self.may_verify(effort) {
            return Err(RecordError::NotVerified);
        }
        self.tally.records_verified.add(1);
        let message = signature::form(DOMAIN, PAYLOAD_TYPE, &opened.payload);
        let signature = Signature::of(key_type, key, message, opened.signature)?;
        Ok(Opened::Unverified(record, Box::new(signature), tag))
    }

    /// The record, if its signature is valid.
    fn settle(&self, opened: Opened, verdict: &mut Verdict) -> Result<Record, RecordError> {
        let (record, signature, tag) = match opened {
            Opened::Known(record) => return Ok(record),
            Opened::Unverified(record, signature, tag) => (record, signature, tag),
        };
        match verdict.is_valid(&signature) {
            Some(true) => {}
            Some(false) => return Err(RecordError::Signature),
            None => return Err(RecordError::NotVerified),
        }
        let (subject, signer) = (record.peer_id(), signature.signer());
        if subject != signer {
            return Err(RecordError::Signer { subject, signer });
        }
        self.state().passed.note(tag, &record);
        Ok(record)
    }

    fn may_verify(&self, effort: Effort) -> bool {
        match effort {
            Effort::Asked => true,
            Effort::Unasked(now) => self.state().budget.take(self.unasked, now),
        }
    }

    /// Those that are admitted, without the peer at their end. One that cannot be read spoils no
    /// other: a peer may have an address of a kind that only later versions know.
    fn addresses(
        &self,
        subject: &PeerId,
        infos: Vec<pb::AddressInfo>,
    ) -> Result<Vec<Multiaddr>, RecordError> {
        let mut addresses = Vec::with_capacity(infos.len());
        let mut fault = None;
        for info in infos {
            match self.address(subject, info.multiaddr) {
                Ok(address) => addresses.push(address),
                // It says less than any other error.
                Err(RecordError::NotAdmitted) => {}
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        if addresses.is_empty() {
            return Err(fault.unwrap_or(RecordError::NotAdmitted));
        }
        if let Some(error) = fault {
            tracing::debug!(%subject, %error, "An address is left out of a record");
            self.tally.refuse(error.reason());
        }
        Ok(addresses)
    }

    fn address(&self, subject: &PeerId, multiaddr: Vec<u8>) -> Result<Multiaddr, RecordError> {
        let address = Multiaddr::try_from(multiaddr).map_err(RecordError::Address)?;
        let (bare, peer) = split_peer(&address);
        if peer.is_some_and(|peer| peer != *subject) {
            return Err(RecordError::AddressOfAnother(address));
        }
        // Whole: of what has the peer at its end twice, one would be left.
        match self.policy.check(subject, &address) {
            Ok(()) => Ok(bare),
            Err(_) => Err(RecordError::NotAdmitted),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A cache is as good after a panic elsewhere as before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
