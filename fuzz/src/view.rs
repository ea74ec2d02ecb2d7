//! Every operation of a view, in any order, against a list.

use arbitrary::{Result, Unstructured};
use libp2p_peer_sampling::{
    fuzzing,
    view::{Descriptor, View},
};
use rand::{SeedableRng, rngs::SmallRng};

use super::host::{self, Host};

type Entry = Descriptor<Host>;

/// Applies the operations that the input names, until it ends.
pub fn run(data: &[u8]) {
    // Behind its end an input has zeros; the only error is the end of what cannot do with them.
    let _ = operate(&mut Unstructured::new(data));
}

fn operate(input: &mut Unstructured<'_>) -> Result<()> {
    let mut rng = SmallRng::seed_from_u64(input.arbitrary::<u8>()?.into());
    let mut view: View<Host> = View::default();
    let mut model = Model::default();
    let mut workspace = Vec::new();
    while !input.is_empty() {
        let operation = input.arbitrary::<u8>()? % 16;
        match operation {
            0 => {
                let descriptor = host::descriptor(input)?;
                view.insert(descriptor);
                model.insert(descriptor);
            }
            1 | 2 => {
                let mut received = host::descriptors(input, 32)?;
                model.append(&received);
                view.append(&mut received);
                assert!(received.is_empty());
            }
            3 => {
                let id = host::id(input)?;
                assert_eq!(view.remove(&id), model.remove(id));
            }
            4 => {
                let [count, among]: [u8; 2] = input.arbitrary()?;
                let (count, among) = (size(count), size(among));
                view.permute_head(count, among, &mut rng);
                model.was_permuted(view.as_slice(), among);
            }
            5 => {
                let count = size(input.arbitrary()?);
                view.move_oldest_to_end(count);
                model.move_oldest_to_end(count);
            }
            6 => {
                let sent: Vec<u8> = host::descriptors(input, 16)?
                    .iter()
                    .map(|d| d.peer.id)
                    .collect();
                view.move_to_head(&sent);
                model.move_to_head(&sent);
            }
            7 => {
                let count = size(input.arbitrary()?);
                view.remove_old_items(count);
                model.remove_old_items(count);
            }
            8 => {
                let count = size(input.arbitrary()?);
                view.remove_head(count);
                model.0.drain(..count.min(model.0.len()));
            }
            9 => {
                let count = size(input.arbitrary()?);
                view.remove_at_random(count, &mut rng);
                model.lost_at_random(view.as_slice(), count);
            }
            10 => {
                view.increase_age();
                for entry in &mut model.0 {
                    entry.age = entry.age.max(entry.age.wrapping_add(1));
                }
            }
            11 => {
                let mut received = host::descriptors(input, 32)?;
                model.append(&received);
                fuzzing::with_workspace(&mut view, &mut workspace, |view| {
                    view.append(&mut received);
                });
                assert!(workspace.is_empty());
            }
            12 => {
                let descriptors = host::descriptors(input, 32)?;
                model = Model::default();
                model.append(&descriptors);
                view = descriptors.into_iter().collect();
            }
            13 => {
                let named: Vec<u8> = host::descriptors(input, 16)?
                    .iter()
                    .map(|d| d.peer.id)
                    .collect();
                let others = view.move_to_end(&named);
                model.was_parted(view.as_slice(), others, &named);
            }
            14 => {
                let least = host::id(input)?;
                view.retain(|host| host.id >= least);
                model.0.retain(|entry| entry.peer.id >= least);
            }
            _ => {
                let count = size(input.arbitrary()?);
                let head = &model.0[..count.min(model.0.len())];
                assert_eq!(view.head(count), head);
            }
        }
        model.compare(&view, operation);
    }
    Ok(())
}

/// Sizes up to somewhat more than a view, and the largest there is.
fn size(byte: u8) -> usize {
    match byte {
        u8::MAX => usize::MAX,
        byte => usize::from(byte % 64),
    }
}

/// A view, as slow as it may be.
#[derive(Default)]
struct Model(Vec<Entry>);

impl Model {
    fn find(&self, id: u8) -> Option<usize> {
        self.0.iter().position(|entry| entry.peer.id == id)
    }

    /// Where the oldest stands; among equals the first.
    fn oldest(entries: &[Entry]) -> Option<usize> {
        let greatest = entries.iter().map(|entry| entry.age).max()?;
        entries.iter().position(|entry| entry.age == greatest)
    }

    fn insert(&mut self, descriptor: Entry) {
        match self.find(descriptor.peer.id) {
            Some(at) => {
                let known = &mut self.0[at];
                known.age = known.age.min(descriptor.age);
                known.peer.version = known.peer.version.max(descriptor.peer.version);
            }
            None => self.0.push(descriptor),
        }
    }

    fn append(&mut self, received: &[Entry]) {
        received
            .iter()
            .for_each(|&descriptor| self.insert(descriptor));
    }

    fn remove(&mut self, id: u8) -> Option<Entry> {
        self.find(id).map(|at| self.0.remove(at))
    }

    fn move_oldest_to_end(&mut self, count: usize) {
        for end in (0..self.0.len()).rev().take(count) {
            if let Some(at) = Self::oldest(&self.0[..=end]) {
                self.0.swap(at, end);
            }
        }
    }

    fn move_to_head(&mut self, sent: &[u8]) {
        let mut moved: Vec<Entry> = Vec::new();
        for &id in sent {
            moved.extend(self.remove(id));
        }
        moved.append(&mut self.0);
        self.0 = moved;
    }

    fn remove_old_items(&mut self, count: usize) {
        for _ in 0..count.min(self.0.len()) {
            if let Some(at) = Self::oldest(&self.0) {
                self.0.remove(at);
            }
        }
    }

    /// Takes over the order: of the first `among` any will do.
    fn was_permuted(&mut self, now: &[Entry], among: usize) {
        let among = among.min(self.0.len());
        assert_eq!(now.len(), self.0.len());
        assert_eq!(now[among..], self.0[among..], "what is left out stays");
        assert_eq!(sorted(now), sorted(&self.0));
        self.0 = now.to_vec();
    }

    /// Takes over the order: all will do that has the named behind the others.
    fn was_parted(&mut self, now: &[Entry], others: usize, named: &[u8]) {
        assert_eq!(sorted(now), sorted(&self.0));
        for (at, entry) in now.iter().enumerate() {
            assert_eq!(at >= others, named.contains(&entry.peer.id), "{entry:?}");
        }
        self.0 = now.to_vec();
    }

    /// Takes over what is left: any will do, if it is as many.
    fn lost_at_random(&mut self, now: &[Entry], count: usize) {
        assert_eq!(now.len(), self.0.len().saturating_sub(count));
        let before = sorted(&self.0);
        for left in sorted(now) {
            assert!(before.binary_search(&left).is_ok(), "{left:?} is new");
        }
        self.0 = now.to_vec();
    }

    fn compare(&self, view: &View<Host>, operation: u8) {
        assert_eq!(view.as_slice(), self.0, "after {operation}");
        assert_eq!(view.len(), self.0.len());
        assert_eq!(view.is_empty(), self.0.is_empty());
        assert!(view.iter().eq(&self.0));
        assert!(view.into_iter().eq(&self.0));
        assert_eq!(view.oldest(), Self::oldest(&self.0).map(|at| &self.0[at]));
        let least = self.0.iter().map(|entry| entry.age).min();
        let youngest = self.0.iter().find(|entry| Some(entry.age) == least);
        assert_eq!(view.youngest(), youngest);
        let mut seen = 0u64;
        for entry in &self.0 {
            let bit = 1 << entry.peer.id;
            assert_eq!(seen & bit, 0, "{entry:?} twice");
            seen |= bit;
        }
        // One of those that are there, and one that may not be.
        let asked = self.0.len() as u8 % host::PEERS;
        assert_eq!(view.contains(&asked), seen & (1 << asked) != 0);
        if let Some(last) = self.0.last() {
            assert_eq!(view.get(&last.peer.id), Some(last));
        }
    }
}

fn sorted(entries: &[Entry]) -> Vec<(Host, u32)> {
    let mut all: Vec<_> = entries
        .iter()
        .map(|entry| (entry.peer, entry.age))
        .collect();
    all.sort_unstable();
    all
}
