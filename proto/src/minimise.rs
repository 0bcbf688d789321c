//! Clearing what a caller may not see.
//!
//! Invariant: after `minimise(granted)` no field of a class outside `granted` is on the wire, and
//! no empty message stands where something was withheld, so that neither values nor their number
//! can be read from what is left.

use crate::ClassSet;

/// A message whose fields have data classes. Implemented for every message of the contract.
pub trait Minimise {
    /// Every class that a field of this message, or of a message inside it, is of.
    const CLASSES: ClassSet;

    /// Clears every field whose class is not in `granted`, also inside the messages it holds.
    ///
    /// A held message of which nothing is left is dropped, from lists too; one that was empty
    /// before is kept.
    fn minimise(&mut self, granted: ClassSet);

    /// The classes of the fields that are set, also inside the messages it holds: what a reader of
    /// the message learns.
    fn classes_present(&self) -> ClassSet;
}

/// prost boxes a message that can hold itself.
impl<M: Minimise> Minimise for Box<M> {
    const CLASSES: ClassSet = M::CLASSES;

    fn minimise(&mut self, granted: ClassSet) {
        M::minimise(self, granted);
    }

    fn classes_present(&self) -> ClassSet {
        M::classes_present(self)
    }
}

/// Minimises a held message; false when that left nothing of it.
pub(crate) fn keeps<M: Minimise + Default + PartialEq>(message: &mut M, granted: ClassSet) -> bool {
    let empty = M::default();
    let was_empty = *message == empty;
    message.minimise(granted);
    was_empty || *message != empty
}

/// Minimises the message that a field holds, if any.
pub(crate) fn minimise_held<M: Minimise + Default + PartialEq>(
    field: &mut Option<M>,
    granted: ClassSet,
) {
    if let Some(message) = field
        && !keeps(message, granted)
    {
        *field = None;
    }
}

/// Minimises the messages of a list.
pub(crate) fn minimise_list<M: Minimise + Default + PartialEq>(
    list: &mut Vec<M>,
    granted: ClassSet,
) {
    list.retain_mut(|message| keeps(message, granted));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
