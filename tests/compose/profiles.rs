use libp2p::{Multiaddr, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{Behaviour, Config, Handle, ProfileCodec, ProfileError, Record};

#[derive(NetworkBehaviour)]
struct Node {
    sampling: Behaviour,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Role {
    zone: u8,
    archive: bool,
}

impl ProfileCodec for Role {
    fn to_profile(&self) -> Vec<u8> {
        vec![self.zone, u8::from(self.archive)]
    }

    fn from_profile(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            // Later versions may add bytes.
            [zone, archive, ..] => Some(Self { zone, archive: archive != 0 }),
            _ => None,
        }
    }
}

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let config = Config::local().with_network("example").with_seeds(seeds);
    let config = config.with_profile(&Role { zone: 7, archive: false });
    let sampling = Behaviour::new(keypair, config)?;
    Ok(Node { sampling })
}

/// The others hear of it within a few rounds.
fn keep_archives(node: &mut Node) -> Result<(), ProfileError> {
    node.sampling.set_profile(&Role { zone: 7, archive: true })
}

/// The peers of this zone that say that they keep archives.
fn archives(handle: &Handle, zone: u8) -> Vec<Record> {
    let keeps = |record: &&Record| {
        let role = record.profile_as::<Role>();
        role.is_some_and(|role| role.archive && role.zone == zone)
    };
    handle.view().peers().filter(keeps).cloned().collect()
}
