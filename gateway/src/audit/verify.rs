//! Verifying a journal without trust in whoever runs it: what was signed against what is there.
//!
//! Everything is read once, in order; a root is made of one hash for each power of two on the way.

use desmigratif_core::journal::Hash;
use desmigratif_core::ports::store::log::Checkpoint;
use tlog_tiles::node_hash;

use super::note::{self, Head, VerifyingKey};

/// What a journal turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was signed.
    Valid {
        /// Entries in it.
        entries: u64,
        /// Checkpoints over it, each verified.
        checkpoints: u64,
        /// Entries after the last checkpoint: committed, and not signed yet.
        unsigned: u64,
    },
    /// Entries are not those that were signed.
    Rewritten {
        /// The first entry that may be another.
        from: u64,
        /// The first entry after those that may be others.
        to: u64,
    },
    /// Entries that were signed are not there.
    Truncated {
        /// Entries in the journal.
        entries: u64,
        /// Entries under its own last checkpoint.
        signed: u64,
    },
    /// Entries are not there that a checkpoint kept elsewhere covers.
    RolledBack {
        /// Entries in the journal.
        entries: u64,
        /// Entries under the checkpoint kept elsewhere.
        signed: u64,
    },
    /// The journal went another way than a checkpoint kept elsewhere says.
    Forked {
        /// Entries under that checkpoint.
        size: u64,
    },
    /// A checkpoint does not count.
    Unsigned {
        /// Entries under it.
        size: u64,
        /// Why.
        why: note::Error,
    },
}

/// A root that grows leaf by leaf.
#[derive(Clone, Debug, Default)]
pub struct Growing {
    leaves: u64,
    /// The roots of whole subtrees, the largest first: one for each bit of `leaves`.
    peaks: Vec<Hash>,
}

impl Growing {
    /// Takes one more leaf in.
    pub fn push(&mut self, leaf: Hash) {
        let mut peak = leaf;
        // As adding one carries over the ones at the end, it joins the subtrees of those sizes.
        for _ in 0..self.leaves.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            peak = join(left, peak);
        }
        self.peaks.push(peak);
        self.leaves += 1;
    }

    /// The number of leaves.
    #[must_use]
    pub const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The root over them; `None` over nothing.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        self.peaks.iter().rev().copied().reduce(|right, left| join(left, right))
    }
}

fn join(left: Hash, right: Hash) -> Hash {
    node_hash(tlog_tiles::Hash(left), tlog_tiles::Hash(right)).0
}

/// Compares a journal with what was signed of it.
#[derive(Debug)]
pub struct Verifier<'a> {
    origin: &'a str,
    keys: &'a [VerifyingKey],
    /// Heads kept elsewhere, by size.
    elsewhere: Vec<Head>,
    growing: Growing,
    /// Entries under the last checkpoint that was verified.
    signed: u64,
    checkpoints: u64,
}

impl<'a> Verifier<'a> {
    /// A verifier for the log at `origin`. `elsewhere` are checkpoints that somebody else has kept.
    ///
    /// # Errors
    /// [`note::Error`] of a checkpoint kept elsewhere that does not count.
    pub fn new(
        origin: &'a str,
        keys: &'a [VerifyingKey],
        elsewhere: &[String],
    ) -> Result<Self, note::Error> {
        let heads = elsewhere.iter().map(|text| Ok(note::verify(text, origin, keys, &[])?.0));
        let mut elsewhere = heads.collect::<Result<Vec<_>, _>>()?;
        elsewhere.sort_by_key(|head| head.size);
        Ok(Self { origin, keys, elsewhere, growing: Growing::default(), signed: 0, checkpoints: 0 })
    }

    /// Takes the next leaf in.
    ///
    /// # Errors
    /// The verdict, when a checkpoint kept elsewhere says otherwise.
    pub fn leaf(&mut self, leaf: Hash) -> Result<(), Verdict> {
        self.growing.push(leaf);
        let size = self.growing.leaves();
        let heads = self.elsewhere.iter().filter(|head| head.size == size);
        let root = self.growing.root();
        match heads.map(|head| head.root).find(|signed| Some(*signed) != root) {
            Some(_) => Err(Verdict::Forked { size }),
            None => Ok(()),
        }
    }

    /// Compares the leaves so far with the journal's own checkpoint over them.
    ///
    /// # Errors
    /// The verdict, when it does not fit.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Verdict> {
        let size = checkpoint.size;
        let unsigned = |why| Verdict::Unsigned { size, why };
        let (head, _) =
            note::verify(&checkpoint.note, self.origin, self.keys, &[]).map_err(unsigned)?;
        if (head.size, head.root) != (size, checkpoint.root) {
            return Err(unsigned(note::Error::Malformed));
        }
        if size > self.growing.leaves() {
            return Err(Verdict::Truncated { entries: self.growing.leaves(), signed: size });
        }
        if Some(checkpoint.root) != self.growing.root() {
            return Err(Verdict::Rewritten { from: self.signed, to: size });
        }
        self.signed = size;
        self.checkpoints += 1;
        Ok(())
    }

    /// The verdict on a journal that ends here.
    #[must_use]
    pub fn end(self) -> Verdict {
        let entries = self.growing.leaves();
        match self.elsewhere.last() {
            Some(last) if last.size > entries => Verdict::RolledBack { entries, signed: last.size },
            _ => Verdict::Valid {
                entries,
                checkpoints: self.checkpoints,
                unsigned: entries - self.signed,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use desmigratif_core::journal::leaf_hash;
    use proptest::prelude::*;

    use super::super::note::{SigningKey, note};
    use super::*;

    const ORIGIN: &str = "log.desmigratif.test";

    fn key() -> SigningKey {
        SigningKey::new(ORIGIN, &[1; 32]).unwrap()
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// The head of leaves, signed.
    fn head(leaves: &[Hash]) -> Checkpoint {
        let mut growing = Growing::default();
        leaves.iter().for_each(|leaf| growing.push(*leaf));
        let (size, root) = (growing.leaves(), growing.root().unwrap());
        let head = Head { origin: ORIGIN.into(), size, root };
        let note = note(&head, &[key().sign_head(&head)]);
        Checkpoint { size, root, at: jiff::Timestamp::UNIX_EPOCH, note, witnessed: false }
    }

    fn verdict(journal: &[Hash], checkpoints: &[Checkpoint], elsewhere: &[String]) -> Verdict {
        let keys = [key().log_key()];
        let mut verifier = Verifier::new(ORIGIN, &keys, elsewhere).unwrap();
        let mut own = checkpoints.iter().peekable();
        for leaf in journal {
            if let Err(verdict) = verifier.leaf(*leaf) {
                return verdict;
            }
            while let Some(next) = own.next_if(|it| it.size == verifier.growing.leaves()) {
                if let Err(verdict) = verifier.checkpoint(next) {
                    return verdict;
                }
            }
        }
        own.find_map(|it| verifier.checkpoint(it).err()).unwrap_or_else(|| verifier.end())
    }

    #[test]
    fn each_kind_of_tampering_has_its_own_verdict() {
        let journal = leaves(20);
        let signed = [head(&journal[..7]), head(&journal[..12])];
        let kept = [head(&journal[..9]).note, head(&journal[..20]).note];
        let valid = Verdict::Valid { entries: 20, checkpoints: 2, unsigned: 8 };
        assert_eq!(verdict(&journal, &signed, &kept), valid);

        let mut edited = journal.clone();
        edited[8] = [0; 32];
        assert_eq!(verdict(&edited, &signed, &[]), Verdict::Rewritten { from: 7, to: 12 });
        let mut swapped = journal.clone();
        swapped.swap(0, 1);
        assert_eq!(verdict(&swapped, &signed, &[]), Verdict::Rewritten { from: 0, to: 7 });
        let mut deleted = journal.clone();
        deleted.remove(10);
        assert_eq!(verdict(&deleted, &signed, &[]), Verdict::Rewritten { from: 7, to: 12 });
        let cut = Verdict::Truncated { entries: 10, signed: 12 };
        assert_eq!(verdict(&journal[..10], &signed, &[]), cut);
        // Rolled back with its checkpoints: only what was kept elsewhere tells.
        let back = Verdict::RolledBack { entries: 8, signed: 20 };
        assert_eq!(verdict(&journal[..8], &signed[..1], &kept), back);
        let mut other_way = journal[..7].to_vec();
        other_way.extend(leaves(30).into_iter().skip(15));
        let forked = Verdict::Forked { size: 9 };
        assert_eq!(verdict(&other_way, &signed[..1], &kept), forked);

        let mut unsigned = signed;
        unsigned[1].note = unsigned[1].note.replace("log.desmigratif.test", "log.elsewhere.test");
        let why = note::Error::OtherLog;
        assert_eq!(verdict(&journal, &unsigned, &[]), Verdict::Unsigned { size: 12, why });
    }

    proptest! {
        #[test]
        fn any_change_of_a_signed_leaf_is_found(at in 0_usize..40, bit in 0_usize..256) {
            let journal = leaves(40);
            let signed = [head(&journal[..13]), head(&journal)];
            let mut edited = journal;
            edited[at][bit / 8] ^= 1 << (bit % 8);
            let (from, to) = if at < 13 { (0, 13) } else { (13, 40) };
            prop_assert_eq!(verdict(&edited, &signed, &[]), Verdict::Rewritten { from, to });
        }
    }
}
