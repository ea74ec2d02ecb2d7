//! The storage of messages, used again and again.

use crate::{peer::Peer, sampling::view::Descriptor};

/// Storage that messages leave behind, for the next ones: so exchanges need not allocate.
///
/// Each node keeps what its last message left behind. A simulator, which has many nodes, would
/// rather keep some for all of them: see
/// [`Sampler::with_buffers`](crate::sampling::sampler::Sampler::with_buffers).
#[derive(Debug)]
pub(crate) struct Buffers<P: Peer>(Option<Box<Kept<P>>>);

#[derive(Debug)]
struct Kept<P: Peer> {
    limit: usize,
    descriptors: Vec<Vec<Descriptor<P>>>,
    ids: Vec<Vec<P::Id>>,
    workspace: Vec<Descriptor<P>>,
}

impl<P: Peer> Default for Buffers<P> {
    /// Room for one buffer, and none in it; takes no memory before there is one.
    fn default() -> Self {
        Self(None)
    }
}

impl<P: Peer> Buffers<P> {
    /// Room for `limit` buffers, and none in it. One node needs one; a caller that has many
    /// exchanges under way at once needs two for each.
    #[cfg(any(feature = "simulator", feature = "fuzzing"))]
    pub(crate) fn new(limit: usize) -> Self {
        Self(Some(Box::new(Kept::new(limit))))
    }

    /// Takes the storage of a message that was not delivered. Of those that were delivered, the
    /// receiver takes it.
    pub(crate) fn keep(&mut self, mut descriptors: Vec<Descriptor<P>>) {
        descriptors.clear();
        let kept = self.kept();
        if kept.descriptors.len() < kept.limit && descriptors.capacity() > 0 {
            kept.descriptors.push(descriptors);
        }
    }

    /// Whether nothing was ever kept here.
    #[cfg(any(feature = "simulator", feature = "fuzzing"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// An empty buffer.
    pub(crate) fn descriptors(&mut self) -> Vec<Descriptor<P>> {
        let kept = self.0.as_mut();
        kept.and_then(|kept| kept.descriptors.pop())
            .unwrap_or_default()
    }

    /// An empty list of identities.
    pub(crate) fn ids(&mut self) -> Vec<P::Id> {
        let kept = self.0.as_mut();
        kept.and_then(|kept| kept.ids.pop()).unwrap_or_default()
    }

    /// Takes the storage of a list of identities.
    pub(crate) fn keep_ids(&mut self, mut ids: Vec<P::Id>) {
        ids.clear();
        let kept = self.kept();
        if kept.ids.len() < kept.limit && ids.capacity() > 0 {
            kept.ids.push(ids);
        }
    }

    /// Where a view has room to grow beyond its size. Empty.
    pub(crate) fn workspace(&mut self) -> &mut Vec<Descriptor<P>> {
        &mut self.kept().workspace
    }

    fn kept(&mut self) -> &mut Kept<P> {
        self.0.get_or_insert_with(|| Box::new(Kept::new(1)))
    }
}

impl<P: Peer> Kept<P> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            descriptors: Vec::new(),
            ids: Vec::new(),
            workspace: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_handed_out_empty_and_bounded() {
        let mut buffers = Buffers::<u32>::default();
        assert_eq!(buffers.descriptors().capacity(), 0);
        for capacity in [7, 9] {
            let mut buffer = Vec::with_capacity(capacity);
            buffer.push(Descriptor::fresh(1));
            buffers.keep(buffer);
            buffers.keep_ids(vec![1; capacity]);
        }
        let (buffer, ids) = (buffers.descriptors(), buffers.ids());
        assert_eq!((buffer.len(), buffer.capacity()), (0, 7));
        assert_eq!((ids.len(), ids.capacity()), (0, 7));
        assert_eq!(buffers.descriptors().capacity(), 0);
        assert_eq!(buffers.ids().capacity(), 0);

        let mut buffers = Buffers::<u32>::new(2);
        (0..3).for_each(|_| buffers.keep(Vec::with_capacity(5)));
        let kept = std::iter::repeat_with(|| buffers.descriptors().capacity());
        assert_eq!(kept.take(3).collect::<Vec<_>>(), [5, 5, 0]);
    }
}
