//! Which nodes belong together, as links are added.

/// Disjoint sets of nodes: trees whose roots stand for them.
pub(super) struct Sets {
    /// Each node's parent; of a root, the root itself.
    parents: Vec<u32>,
    /// The number of nodes of each root's set.
    sizes: Vec<u32>,
}

impl Sets {
    /// Every node is a set of its own.
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            parents: (0..).take(nodes).collect(),
            sizes: vec![1; nodes],
        }
    }

    /// The root of the set that `node` is in. Every node on the way comes closer to it.
    fn root(&mut self, mut node: u32) -> u32 {
        loop {
            let parent = self.parents[node as usize];
            if parent == node {
                return node;
            }
            let grandparent = self.parents[parent as usize];
            self.parents[node as usize] = grandparent;
            node = grandparent;
        }
    }

    /// Makes one set of two, the smaller goes to the larger; false when it was one already.
    pub(super) fn join(&mut self, one: u32, other: u32) -> bool {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return false;
        }
        let (small, large) = if self.sizes[one as usize] < self.sizes[other as usize] {
            (one, other)
        } else {
            (other, one)
        };
        self.parents[small as usize] = large;
        self.sizes[large as usize] += self.sizes[small as usize];
        true
    }

    /// Whether they are in the same set.
    pub(super) fn are_joined(&mut self, one: u32, other: u32) -> bool {
        self.root(one) == self.root(other)
    }

    /// How many nodes the set of this one has.
    pub(super) fn size_of(&mut self, node: u32) -> usize {
        let root = self.root(node);
        self.sizes[root as usize] as usize
    }

    /// How many nodes each set has.
    pub(super) fn sizes(&self) -> impl Iterator<Item = usize> {
        let nodes = (0..).zip(&self.parents).zip(&self.sizes);
        let roots = nodes.filter(|((node, parent), _): &((u32, &u32), _)| *node == **parent);
        roots.map(|(_, &size)| size as usize)
    }
}
