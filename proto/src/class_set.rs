//! Sets of data classes.

use std::fmt;

use crate::options::v1::DataClass;

/// A set of data classes, as one byte of bits: class n, as the contract numbers it, at bit n - 1.
///
/// [`DataClass::Unspecified`] is in no set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClassSet(u8);

impl ClassSet {
    /// No class at all.
    pub const NONE: Self = Self(0);

    /// Every class of the contract.
    pub const ALL: Self = Self::of(&[
        DataClass::Public,
        DataClass::Programme,
        DataClass::Identity,
        DataClass::Contact,
        DataClass::HealthConclusion,
        DataClass::HealthDetail,
        DataClass::Family,
    ]);

    /// The set of the classes listed.
    #[must_use]
    pub const fn of(classes: &[DataClass]) -> Self {
        let (mut set, mut i) = (Self::NONE, 0);
        while i < classes.len() {
            set = set.with(classes[i]);
            i += 1;
        }
        set
    }

    /// The set with these bits; bits of no class are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits, class n at bit n - 1.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with `class` in it.
    #[must_use]
    pub const fn with(self, class: DataClass) -> Self {
        Self(self.0 | Self::bit(class))
    }

    /// The classes in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `class` is in the set.
    #[must_use]
    pub const fn contains(self, class: DataClass) -> bool {
        self.0 & Self::bit(class) != 0
    }

    /// Whether every class of `other` is in the set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no class is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes of the set, in the contract's order.
    pub fn iter(self) -> impl Iterator<Item = DataClass> {
        (1..=8).filter_map(|n| DataClass::try_from(n).ok()).filter(move |it| self.contains(*it))
    }

    const fn bit(class: DataClass) -> u8 {
        // Twice the bit, less the one that stands for "not set": class n ends at bit n - 1.
        ((1_u16 << class as u16) >> 1) as u8
    }
}

impl fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_n_of_the_contract_is_bit_n_minus_1() {
        assert_eq!(ClassSet::of(&[DataClass::Public]).bits(), 1);
        assert_eq!(ClassSet::of(&[DataClass::Family]).bits(), 1 << 6);
        assert_eq!(ClassSet::of(&[DataClass::Unspecified]), ClassSet::NONE);
    }

    #[test]
    fn all_holds_every_class_of_the_contract() {
        let every: Vec<_> =
            (1..i32::from(u8::MAX)).map_while(|n| DataClass::try_from(n).ok()).collect();
        assert_eq!(ClassSet::ALL, ClassSet::of(&every));
        assert_eq!(ClassSet::ALL.iter().collect::<Vec<_>>(), every);
        assert_eq!(ClassSet::from_bits(0xff), ClassSet::ALL);
    }

    #[test]
    fn a_set_contains_what_it_was_made_of() {
        let set = ClassSet::of(&[DataClass::Identity, DataClass::Contact]);
        assert!(set.contains(DataClass::Contact) && !set.contains(DataClass::Public));
        assert!(set.contains_all(ClassSet::of(&[DataClass::Identity])));
        assert!(!set.contains_all(ClassSet::of(&[DataClass::Identity, DataClass::Family])));
        assert!(ClassSet::NONE.is_empty() && !set.is_empty());
    }
}
