//! What this node says of itself: signed anew when it says something else.

use libp2p_identity::Keypair;

use crate::swarm::record::{
    next_seq,
    profile::{Profile, ProfileError, check_size},
};

#[derive(Debug)]
pub(super) struct LocalProfile {
    /// The name of the protocol, and of the network in it.
    protocol: String,
    /// `None`: it has never said anything. An empty one takes back what it said.
    signed: Option<Profile>,
    last_seq: u64,
}

impl LocalProfile {
    pub(super) fn new(protocol: String) -> Self {
        Self {
            protocol,
            signed: None,
            last_seq: 0,
        }
    }

    /// As others get it.
    pub(super) fn signed(&self) -> Option<&Profile> {
        self.signed.as_ref()
    }

    /// Says this from now on; returns whether that is something else than before.
    pub(super) fn set(&mut self, keypair: &Keypair, bytes: Vec<u8>) -> Result<bool, ProfileError> {
        check_size(bytes.len())?;
        let before = self.signed.as_ref().map_or(&[][..], Profile::bytes);
        if before == bytes {
            return Ok(false);
        }
        self.sign(keypair, bytes)?;
        Ok(true)
    }

    /// Others have a profile of this node with this number, that it has not signed since it was
    /// made: it says what it has to say with a larger one. If it has nothing to say, it takes back
    /// what it said before it was restarted.
    pub(super) fn outbid(&mut self, keypair: &Keypair, seq: u64) {
        if self.signed.as_ref().is_some_and(|own| own.seq() > seq) {
            return;
        }
        self.last_seq = self.last_seq.max(seq);
        let bytes = self.signed.as_ref().map_or(&[][..], Profile::bytes);
        // It is logged, and what was signed before stays.
        let _ = self.sign(keypair, bytes.to_vec());
    }

    fn sign(&mut self, keypair: &Keypair, bytes: Vec<u8>) -> Result<(), ProfileError> {
        let seq = next_seq(self.last_seq);
        match Profile::sign(keypair, &self.protocol, seq, bytes) {
            Ok(profile) => {
                self.last_seq = seq;
                self.signed = Some(profile);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "Cannot sign the local profile");
                Err(ProfileError::Signing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: &str = "/net/peer-sampling/1.0.0";

    #[test]
    fn profile_is_signed_anew_when_it_says_something_else_or_is_outbid() {
        let keypair = Keypair::generate_ed25519();
        let mut local = LocalProfile::new(NET.to_owned());
        let seq = |local: &LocalProfile| local.signed().map(Profile::seq);
        assert_eq!(local.set(&keypair, Vec::new()), Ok(false));
        assert_eq!(seq(&local), None, "it has nothing to take back");
        assert_eq!(local.set(&keypair, vec![1]), Ok(true));
        let first = seq(&local).expect("signed");
        assert_eq!(local.set(&keypair, vec![1]), Ok(false));
        local.outbid(&keypair, first - 1);
        assert_eq!(seq(&local), Some(first));
        let too_large = local.set(&keypair, vec![0; 257]);
        assert_eq!(too_large, Err(ProfileError::TooLarge { bytes: 257 }));
        // Its clock was set back.
        local.outbid(&keypair, u64::MAX - 2);
        assert_eq!(seq(&local), Some(u64::MAX - 1));
        assert_eq!(local.signed().expect("signed").bytes(), [1]);
        assert_eq!(local.set(&keypair, Vec::new()), Ok(true));
        assert_eq!(seq(&local), Some(u64::MAX));
    }

    #[test]
    fn node_without_a_profile_takes_back_what_it_said_before_it_was_restarted() {
        let keypair = Keypair::generate_ed25519();
        let mut local = LocalProfile::new(NET.to_owned());
        local.outbid(&keypair, 7);
        let taken_back = local.signed().expect("signed");
        assert!(taken_back.is_empty() && taken_back.seq() > 7);
    }
}
