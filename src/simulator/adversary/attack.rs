//! Which attack, and how strong.

/// What attackers do.
///
/// All of them answer every request, with as many descriptors as a message may have, of age 0, and
/// start exchanges as often as their force allows; they ask for an answer as honest nodes do. No
/// honest node is ever in what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Each attacker sends random identities of all attackers to honest nodes at random: the model
    /// of Basalt (Auvolat et al. 2021).
    Flood,
    /// As [`Flood`](Self::Flood), but they all name the same few, as many as fit in a view, who
    /// become hubs: the attack of Jesi, Montresor and van Steen (*Secure peer sampling*, 2010).
    Hub,
    /// As [`Flood`](Self::Flood), but all send to one honest node, the victim: the one of the
    /// bootstrap that joins last. When it vanishes, nobody is attacked any more.
    Eclipse,
    /// As [`Flood`](Self::Flood), but honest nodes restart in turn, each once in
    /// [`RESTARTS`](Adversaries::RESTARTS) rounds, and half of what attackers send goes to those
    /// that have just done so. Who restarts forgets its view, and rejoins through one node, chosen
    /// at random among all, attackers included. It has no seeds to go back to, as nodes in a swarm
    /// have.
    Restart,
    /// Each message names its sender and, for the rest, identities that nobody has ever heard of:
    /// there is no end of them, they all have the address of one victim, and no exchange with any
    /// of them succeeds. What it is for is the dials made at the victim.
    Spray,
    /// As [`Flood`](Self::Flood), with all attackers, and all their identities, in one /16.
    Prefix,
}

/// What a node that restarts has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// Nothing.
    #[default]
    Nothing,
    /// As many peers as fit in a view: those with which an exchange that the node itself had
    /// started has succeeded last.
    Contacted,
}

/// The attackers of a simulation.
///
/// They are never away: they do not crash and are not replaced, are on both sides of a partition,
/// and none of the exchanges that they start gets lost. Of the bootstraps, only
/// [`Random`](crate::simulator::bootstrap::Bootstrap::Random) has them in the views at the start,
/// with the share that they have of all nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adversaries {
    attack: Attack,
    fraction: f64,
    force: usize,
    identities: Option<usize>,
    message: Option<usize>,
    kept: Kept,
}

impl Adversaries {
    /// The smallest and the largest force.
    pub const FORCE: (usize, usize) = (0, 1_000);
    /// The most identities.
    pub const IDENTITIES: usize = 100_000_000;
    /// The fewest and the most descriptors of a message of theirs.
    pub const MESSAGE: (usize, usize) = (1, 10_000);
    /// How many rounds an honest node runs between two restarts, where they restart (a guess: some
    /// eight minutes with the default period, far more often than any real one).
    pub const RESTARTS: u64 = 50;

    /// So that of all nodes this share are attackers, with a force of 10, one identity each, and
    /// full views in their messages: as in Basalt's experiments. The nearest whole number of nodes;
    /// at least one, and at least two are left honest.
    pub fn new(attack: Attack, fraction: f64) -> Self {
        Self {
            attack,
            fraction,
            force: 10,
            identities: None,
            message: None,
            kept: Kept::Nothing,
        }
    }

    /// How many exchanges each attacker starts per round, F in Basalt; 0 to 1,000.
    pub fn with_force(mut self, force: usize) -> Self {
        self.force = force;
        self
    }

    /// How many identities the attackers have together; at least one for each, at most 10^8. In the
    /// views at the start there is one of each attacker.
    pub fn with_identities(mut self, identities: usize) -> Self {
        self.identities = Some(identities);
        self
    }

    /// How many descriptors they put into a message, 1 to 10,000. As many as a view holds, unless
    /// something else is set: the worst case, where the receiver's limit is no lower.
    pub fn with_message(mut self, descriptors: usize) -> Self {
        self.message = Some(descriptors);
        self
    }

    /// What honest nodes keep over a restart, where they restart.
    pub fn with_kept(mut self, kept: Kept) -> Self {
        self.kept = kept;
        self
    }

    /// What they do.
    pub fn attack(&self) -> Attack {
        self.attack
    }

    /// The share of all nodes that are attackers.
    pub fn fraction(&self) -> f64 {
        self.fraction
    }

    /// How many exchanges each attacker starts per round.
    pub fn force(&self) -> usize {
        self.force
    }

    /// How many identities they have together; `None`: one each.
    pub fn identities(&self) -> Option<usize> {
        self.identities
    }

    /// How many descriptors a message of theirs has; `None`: as many as a view.
    pub fn message(&self) -> Option<usize> {
        self.message
    }

    /// What honest nodes keep over a restart.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// How many of so many nodes are attackers.
    pub fn count(&self, nodes: usize) -> usize {
        (self.fraction * nodes as f64).round() as usize
    }

    /// Whether node `id` restarts at the beginning of this round. None does in the first ones.
    pub(crate) fn restarts(&self, id: u32, round: u64) -> bool {
        let in_turn = (u64::from(id) + round).is_multiple_of(Self::RESTARTS);
        self.attack == Attack::Restart && round >= Self::RESTARTS && in_turn
    }
}
