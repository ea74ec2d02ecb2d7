//! Checks the profiles that come beside records, and remembers those that passed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p_identity::PeerId;
use prost::Message;

use crate::swarm::{
    counters::{Reason, Tally},
    generated as pb,
    limits::{MAX_PROFILE_BYTES, MAX_SIGNED_PROFILE_BYTES},
    record::{
        Record,
        passed::{Passed, Tag, Tagger},
        profile::{Profile, signed_form},
        signature::{Signature, Verdict, key_type},
    },
};

/// What is left to do for a profile.
enum Opened {
    /// It has passed before.
    Known(Profile),
    Unverified(Profile, Box<Signature>, Tag),
}

/// Checks the profiles of one network. Shared by all connections.
#[derive(Debug)]
pub(super) struct Profiles {
    /// The name of the protocol, and of the network in it.
    protocol: String,
    tally: Arc<Tally>,
    tagger: Tagger,
    passed: Mutex<Passed<Profile>>,
}

impl Profiles {
    /// Remembers at most so many, in profiles.
    pub(super) fn new(protocol: String, most: usize, tally: Arc<Tally>) -> Self {
        Self {
            protocol,
            tally,
            tagger: Tagger::default(),
            passed: Mutex::new(Passed::new(most)),
        }
    }

    /// Gives the records of one message the profiles that came beside them. One that is not taken
    /// is counted, with its reason, and costs nothing but itself.
    ///
    /// Like records, profiles are verified once, and together. After the first wrong signature, no
    /// more of the message are verified. `may_verify`: whether there is time for one more.
    pub(super) fn give<'a>(
        &self,
        said: impl Iterator<Item = (&'a mut Record, Vec<u8>)>,
        may_verify: impl Fn() -> bool,
    ) {
        let opened: Vec<_> = said
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(record, bytes)| {
                let opened = self.open(record, &bytes, &may_verify);
                (record, opened)
            })
            .collect();
        let signatures: Vec<_> = opened
            .iter()
            .filter_map(|(_, opened)| match opened {
                Ok(Opened::Unverified(_, signature, _)) => Some(&**signature),
                _ => None,
            })
            .collect();
        let mut verdict = Verdict::on(&signatures);
        for (record, opened) in opened {
            match opened.and_then(|opened| self.settle(opened, &mut verdict)) {
                Ok(profile) => record.set_profile(Some(profile)),
                Err(reason) => {
                    tracing::debug!(
                        peer = %record.peer_id(), reason = reason.name(),
                        "A profile is left out of a record"
                    );
                    self.tally.pass_over_profile(reason);
                }
            }
        }
    }

    /// Reads a profile, and does all but verify its signature.
    fn open(
        &self,
        record: &Record,
        bytes: &[u8],
        may_verify: impl Fn() -> bool,
    ) -> Result<Opened, Reason> {
        if bytes.len() > MAX_SIGNED_PROFILE_BYTES {
            return Err(Reason::ProfileTooLarge);
        }
        // Of the peer, whose id tells its key: nobody can pair it with another's record.
        let tag = self.tag(record.peer_id(), bytes);
        let known = self.passed().whole(tag);
        if let Some(known) = known {
            return Ok(Opened::Known(known));
        }
        let message = pb::Profile::decode(bytes).map_err(|_| Reason::ProfileNotProtobuf)?;
        if message.data.len() > MAX_PROFILE_BYTES {
            return Err(Reason::ProfileTooLarge);
        }
        let profile = Profile::of(message);
        let has_passed = self.passed().contains(tag);
        if has_passed {
            self.passed().note(tag, &profile);
            return Ok(Opened::Known(profile));
        }
        if !may_verify() {
            return Err(Reason::ProfileNotVerified);
        }
        self.tally.profiles_verified.add(1);
        // The record has passed, so there is a key in its envelope.
        let envelope = pb::Envelope::decode(record.envelope()).ok();
        let key = envelope.and_then(|envelope| envelope.public_key);
        let key = key.ok_or(Reason::ProfileSignature)?;
        let key_type = key_type(&key).map_err(|_| Reason::ProfileSignature)?;
        let message = signed_form(&self.protocol, profile.seq(), profile.bytes());
        let signature = Signature::of(key_type, key, message, profile.signature().to_vec())
            .map_err(|_| Reason::ProfileSignature)?;
        Ok(Opened::Unverified(profile, Box::new(signature), tag))
    }

    /// The profile, if its signature is valid.
    fn settle(&self, opened: Opened, verdict: &mut Verdict) -> Result<Profile, Reason> {
        let (profile, signature, tag) = match opened {
            Opened::Known(profile) => return Ok(profile),
            Opened::Unverified(profile, signature, tag) => (profile, signature, tag),
        };
        match verdict.is_valid(&signature) {
            Some(true) => {
                self.passed().note(tag, &profile);
                Ok(profile)
            }
            Some(false) => Err(Reason::ProfileSignature),
            None => Err(Reason::ProfileNotVerified),
        }
    }

    fn tag(&self, peer: PeerId, bytes: &[u8]) -> Tag {
        self.tagger.tag(&(peer, bytes))
    }

    fn passed(&self) -> MutexGuard<'_, Passed<Profile>> {
        // A cache is as good after a panic elsewhere as before.
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
