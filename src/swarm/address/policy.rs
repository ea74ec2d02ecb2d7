//! Which addresses may be sent, kept and dialled.

use std::{fmt, sync::Arc};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use thiserror::Error;

use crate::swarm::address::{Scope, split_peer, split_relay};

type Filter = Arc<dyn Fn(&Multiaddr) -> bool + Send + Sync>;

/// Which addresses a node advertises of itself, keeps of others, and dials on their word. Set in
/// the [`Config`](crate::Config). A user's own seeds are not subject to it.
#[derive(Clone)]
pub struct AddressPolicy {
    scope: Scope,
    dns: bool,
    relayed: bool,
    filter: Option<Filter>,
}

impl AddressPolicy {
    /// IP addresses of `scope`, and no others.
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            dns: false,
            relayed: false,
            filter: None,
        }
    }

    pub(crate) fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    pub(crate) fn with_dns(self, dns: bool) -> Self {
        Self { dns, ..self }
    }

    pub(crate) fn with_relayed(self, relayed: bool) -> Self {
        Self { relayed, ..self }
    }

    pub(crate) fn with_filter(
        self,
        filter: impl Fn(&Multiaddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            filter: Some(Arc::new(filter)),
            ..self
        }
    }

    /// From how far away an address must work at least.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether DNS names are admitted.
    pub fn dns(&self) -> bool {
        self.dns
    }

    /// Whether relayed addresses are admitted.
    pub fn relayed(&self) -> bool {
        self.relayed
    }

    /// Whether `address`, with or without `/p2p/<peer>` at its end, is admitted as one of `peer`'s.
    ///
    /// # Errors
    ///
    /// The first reason why not.
    pub fn check(&self, peer: &PeerId, address: &Multiaddr) -> Result<(), NotAdmitted> {
        let (bare, named) = split_peer(address);
        if named.is_some_and(|named| named != *peer) {
            return Err(NotAdmitted::Unusable);
        }
        let (first, relay) = split_relay(&bare).ok_or(NotAdmitted::Unusable)?;
        let scope = Scope::of_bare(&first).ok_or(NotAdmitted::Unusable)?;
        if relay == Some(*peer) {
            return Err(NotAdmitted::Unusable);
        }
        if scope > self.scope {
            return Err(NotAdmitted::Scope(scope));
        }
        if !self.dns && first.iter().next().is_some_and(|p| is_name(&p)) {
            return Err(NotAdmitted::Dns);
        }
        if !self.relayed && relay.is_some() {
            return Err(NotAdmitted::Relayed);
        }
        match &self.filter {
            Some(filter) if !filter(&bare) => Err(NotAdmitted::Filter),
            _ => Ok(()),
        }
    }
}

fn is_name(protocol: &Protocol<'_>) -> bool {
    matches!(
        protocol,
        Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)
    )
}

impl fmt::Debug for AddressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressPolicy")
            .field("scope", &self.scope)
            .field("dns", &self.dns)
            .field("relayed", &self.relayed)
            .field("filter", &self.filter.is_some())
            .finish()
    }
}

/// Why an address is not advertised, kept or dialled, and what to do when it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// It does not work from as far away as the scope that is set.
    #[error("{}", out_of_scope(*.0))]
    Scope(Scope),
    /// Nobody has confirmed that this node can be reached there, which the global scope requires.
    #[error(
        "not confirmed to be reachable; AutoNAT, UPnP or Swarm::add_external_address confirm \
         addresses"
    )]
    Unconfirmed,
    /// It is a DNS name.
    #[error("a DNS name; Config::with_dns(true) admits them")]
    Dns,
    /// It leads through a relay.
    #[error("through a relay; Config::with_relayed(true) admits that")]
    Relayed,
    /// The filter set by [`Config::with_address_filter`](crate::Config::with_address_filter) says
    /// no.
    #[error("kept out by the filter of Config::with_address_filter")]
    Filter,
    /// A peer could not be told to dial it. It is unspecified, multicast, reserved, without a port
    /// or of an unknown kind, or relayed by the peer itself or more than once.
    #[error("nothing that a peer could be told to dial")]
    Unusable,
}

fn out_of_scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "is outside the scope",
        Scope::Private => {
            "works from the same network only; for a LAN or a VPN, use Config::private_network()"
        }
        Scope::Loopback => "works from the same machine only; for tests, use Config::local()",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &AddressPolicy, address: &str) -> Result<(), NotAdmitted> {
        policy.check(&PeerId::random(), &address.parse().expect("a multiaddr"))
    }

    #[test]
    fn a_scope_admits_its_own_and_wider_ones() {
        let order = [Scope::Global, Scope::Private, Scope::Loopback];
        let addresses = [
            "/ip4/1.2.3.4/tcp/1",
            "/ip4/10.0.0.1/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
        ];
        for set in order {
            for (scope, address) in order.into_iter().zip(addresses) {
                let expected = match scope <= set {
                    true => Ok(()),
                    false => Err(NotAdmitted::Scope(scope)),
                };
                assert_eq!(check(&AddressPolicy::new(set), address), expected);
            }
        }
    }

    #[test]
    fn names_and_relays_are_choices() {
        let relay = PeerId::random();
        let relayed = |first: &str| format!("{first}/p2p/{relay}/p2p-circuit");
        let near = relayed("/ip4/1.2.3.4/tcp/1");
        let policy = AddressPolicy::new(Scope::Global);
        let all = policy.clone().with_dns(true).with_relayed(true);
        for (address, strict) in [
            ("/dns4/example.org/tcp/1", NotAdmitted::Dns),
            ("/dnsaddr/example.org", NotAdmitted::Dns),
            (&near, NotAdmitted::Relayed),
        ] {
            assert_eq!(check(&policy, address), Err(strict), "{address}");
            assert_eq!(check(&all, address), Ok(()), "{address}");
        }
        let named = relayed("/dns4/example.org/tcp/1");
        assert_eq!(check(&all, &named), Ok(()));
        let no_names = policy.clone().with_relayed(true);
        assert_eq!(check(&no_names, &named), Err(NotAdmitted::Dns));
        let private = relayed("/ip4/10.0.0.1/tcp/1");
        let out = Err(NotAdmitted::Scope(Scope::Private));
        assert_eq!(check(&all, &private), out, "the relay's address counts");
    }

    #[test]
    fn unusable_addresses_are_refused_under_every_setting() {
        let all = AddressPolicy::new(Scope::Loopback);
        let all = all.with_dns(true).with_relayed(true);
        let (relay, other) = (PeerId::random(), PeerId::random());
        for address in [
            "/ip4/1.2.3.4/tcp/1/p2p-circuit".to_owned(),
            format!("/p2p/{relay}/p2p-circuit"),
            format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p-circuit/p2p/{other}/p2p-circuit"),
            format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p-circuit/ip4/10.0.0.1/tcp/22"),
            format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}"),
            format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p/{other}"),
        ] {
            assert_eq!(
                check(&all, &address),
                Err(NotAdmitted::Unusable),
                "{address}"
            );
        }
        let itself = format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p-circuit");
        let itself = itself.parse().expect("a multiaddr");
        assert_eq!(all.check(&relay, &itself), Err(NotAdmitted::Unusable));
        assert_eq!(all.check(&other, &itself), Ok(()));
    }

    #[test]
    fn the_filter_has_the_last_word_and_sees_no_peer() {
        let wanted: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
        let only = wanted.clone();
        let policy = AddressPolicy::new(Scope::Global).with_filter(move |a| *a == only);
        let peer = PeerId::random();
        let full = wanted.clone().with(Protocol::P2p(peer));
        assert_eq!(policy.check(&peer, &full), Ok(()));
        assert_eq!(policy.check(&peer, &wanted), Ok(()));
        let other = check(&policy, "/ip4/1.2.3.4/tcp/2");
        assert_eq!(other, Err(NotAdmitted::Filter));
        let text = format!("{policy:?}");
        assert!(text.contains("filter: true"), "{text}");
    }
}
