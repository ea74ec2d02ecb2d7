//! The arguments of topologies, translated into settings of the simulator.

use libp2p_peer_sampling::{
    overlay::Ranked,
    sampler as gossip,
    simulator::{
        host::Host,
        topology::shape::{Kind, Shape},
    },
};

use crate::simulate::{
    arguments::Arguments,
    values::{DriverName, OverlayName},
};

/// A ranked overlay, and the random one beside it.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The overlay of the topology.
    pub overlay: Ranked<Shape, Host>,
    /// The settings of the nodes with random views.
    pub random: gossip::Config,
    /// Of how many of a random view a node is told in each round.
    pub candidates: usize,
}

impl OverlayName {
    /// Which topology it is, and how many links a node has in it, unless that is said.
    fn topology(self) -> Option<(Kind, usize)> {
        match self {
            Self::Random | Self::Cyclon | Self::Basalt => None,
            Self::Ring => Some((Kind::Ring, 2)),
            Self::Torus => Some((Kind::Torus, 4)),
            Self::Tree => Some((Kind::Tree, 3)),
            Self::Xor => Some((Kind::Xor, 8)),
            Self::Proximity => Some((Kind::Proximity, 8)),
            Self::Zones => Some((Kind::Zones, 8)),
        }
    }
}

impl Arguments {
    /// Whether the overlay is a topology.
    pub fn is_topology(&self) -> bool {
        self.overlay.topology().is_some()
    }

    /// How many peers a ranked view keeps: three times a message, if there are so many.
    pub fn ranked_view(&self) -> usize {
        self.cap.unwrap_or(60.min(self.nodes.saturating_sub(1)))
    }

    /// The topology, if the overlay is one. `random`: the settings of random views.
    ///
    /// # Errors
    ///
    /// Which argument goes with topologies alone, or not with them, or is out of its bounds.
    pub fn topology(&self, random: &gossip::Config) -> Result<Option<Chosen>, String> {
        let Some((kind, target)) = self.overlay.topology() else {
            return self.no_topology().map(|()| None);
        };
        if let Some(fraction) = self.attackers {
            return Err(format!("--attackers {fraction}: not with a topology"));
        }
        if self.driver == DriverName::Events {
            return Err("--driver events: not with a topology".to_owned());
        }
        let cap = self.ranked_view();
        let bounded = |name, given: Option<usize>, least, default: usize| {
            let value = given.unwrap_or(default.min(cap));
            match (least..=cap).contains(&value) {
                true => Ok(value),
                false => Err(format!("--{name} {value}: must be {least} to --cap {cap}")),
            }
        };
        let target = bounded("target", self.target, 1, target)?;
        let sent = bounded("sent", self.sent, 2, 20)?;
        let psi = bounded("psi", self.psi, 1, 10)?;
        let candidates = self.random_candidates.unwrap_or(self.view);
        if candidates > self.view {
            let view = self.view;
            return Err(format!(
                "--random-candidates {candidates}: must be 0 to --view {view}"
            ));
        }
        let shape = Shape::new(kind, self.nodes, self.seed);
        let mut overlay = Ranked::new(shape, target).with_message(sent).with_psi(psi);
        if let Some(life) = self.life {
            if life < 2 {
                return Err(format!("--life {life}: must be 2 or more"));
            }
            overlay = overlay.with_life(life);
        }
        Ok(Some(Chosen {
            overlay,
            random: random.clone(),
            candidates,
        }))
    }

    /// What is said of topologies must be said of one.
    fn no_topology(&self) -> Result<(), String> {
        for (argument, given) in [
            ("target", self.target),
            ("sent", self.sent),
            ("psi", self.psi),
            ("cap", self.cap),
            ("life", self.life.map(|life| life as usize)),
            ("random-candidates", self.random_candidates),
        ] {
            if let Some(value) = given {
                return Err(format!("--{argument} {value}: only a topology has one"));
            }
        }
        Ok(())
    }
}
