//! What a failed dial says: about the exchange that it was for, and about each address on its way.

use std::io;

use libp2p_core::{Multiaddr, transport::TransportError};
use libp2p_identity::PeerId;
use libp2p_swarm::DialError;

use crate::swarm::{
    address::{Target, relay_of},
    exchanger::{
        attempts::{Attempt, attempts, is_blocked, is_relay_full, never_left, one_line},
        connections::Connections,
        error::ExchangeError,
        trouble::Trouble,
    },
    node::{
        budget::{DialOutcome, NotDialled},
        holder::Holder,
    },
};

/// What a failed dial means for the exchange that it was for.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Another behaviour is just dialling the relay, which the dial led through: the exchange waits
    /// for that.
    RelayBusy(PeerId),
    /// Another behaviour dials the partner, or has just connected it.
    DialledByOther,
    /// A host has answered, and then the handshake failed. Perhaps both ends have dialled at the
    /// same moment, so that another port helps.
    Handshake(ExchangeError),
    /// A guard of this swarm has denied the dial.
    Denied(ExchangeError),
    /// This node's own fault: nobody is blamed, and nothing was drawn from the budget.
    OwnFault {
        error: ExchangeError,
        /// Whether this node has lost its network.
        no_network: bool,
    },
    /// The exchange has failed.
    Failed(ExchangeError),
}

/// What is known here when a dial is judged.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) connections: &'a Connections,
    pub(crate) holder: &'a Holder,
    pub(crate) trouble: &'a Trouble,
}

impl Judge<'_> {
    /// What a dial's error means for the exchange that it was for.
    pub(crate) fn judge(&self, error: &DialError) -> Verdict {
        match error {
            DialError::Transport(tried) => {
                match tried.iter().find_map(|(a, _)| self.busy_relay(a)) {
                    Some(relay) => Verdict::RelayBusy(relay),
                    None => self.transport_failed(tried, error),
                }
            }
            DialError::DialPeerConditionFalse(_) => Verdict::DialledByOther,
            DialError::Denied { cause } => match is_blocked(cause) {
                true => Verdict::OwnFault {
                    error: ExchangeError::Blocked,
                    no_network: false,
                },
                false => Verdict::Denied(ExchangeError::Refused(one_line(error))),
            },
            DialError::Aborted => Verdict::Failed(ExchangeError::Refused(one_line(error))),
            DialError::NoAddresses => Verdict::Failed(NotDialled::NoAddress.into()),
            DialError::LocalPeerId { .. } | DialError::WrongPeerId { .. } => {
                Verdict::Failed(ExchangeError::Unreachable(one_line(error)))
            }
        }
    }

    /// A dial has failed at every address. What is this machine's fault blames nobody.
    fn transport_failed(
        &self,
        tried: &[(Multiaddr, TransportError<io::Error>)],
        error: &DialError,
    ) -> Verdict {
        if is_relay_full(tried) {
            return Verdict::Failed(ExchangeError::RelayFull(one_line(error)));
        }
        let attempts = attempts(tried);
        if attempts.contains(&Attempt::Handshake) {
            return Verdict::Handshake(ExchangeError::Handshake(one_line(error)));
        }
        if attempts.is_empty() || attempts.contains(&Attempt::InVain) {
            return Verdict::Failed(ExchangeError::Unreachable(one_line(error)));
        }
        let offline = tried.iter().zip(&attempts);
        let mut offline = offline.filter(|(_, attempt)| **attempt == Attempt::Offline);
        let no_network = offline.any(|((address, _), _)| self.trouble.has_reached(address));
        let error = match no_network {
            true => ExchangeError::Offline(one_line(error)),
            false => NotDialled::NoTransport.into(),
        };
        Verdict::OwnFault { error, no_network }
    }

    /// What became of a failed dial at `address`.
    pub(crate) fn outcome_at(&self, error: &DialError, address: &Multiaddr) -> DialOutcome {
        match relay_of(address) {
            _ if never_left(error, address) => DialOutcome::Unmade,
            Some(_) if self.busy_relay(address).is_some() => DialOutcome::Unmade,
            Some(_) if self.is_relay_there(address) => DialOutcome::RelayAnswered,
            _ => DialOutcome::InVain,
        }
    }

    /// Whether the relay that an address leads through is connected, and at that host: it need not
    /// have been dialled there. True also where there is no relay.
    pub(crate) fn is_relay_there(&self, address: &Multiaddr) -> bool {
        let relay = relay_of(address).zip(Target::of(address));
        relay.is_none_or(|(relay, target)| self.connections.is_relay_at(&relay, target.host()))
    }

    /// The relay of a relayed address, if another behaviour is just dialling it. libp2p's relay
    /// client does not wait for that dial, but gives up.
    fn busy_relay(&self, address: &Multiaddr) -> Option<PeerId> {
        let is_busy =
            |relay: &PeerId| self.holder.is_dialling(relay) && !self.connections.is_direct(relay);
        relay_of(address).filter(is_busy)
    }
}
