//! The development index of a village, as Kemendes publishes it.
//!
//! There are two: the Indeks Desa Membangun (IDM, Permendesa 2/2016) and, since Permendesa 9/2024,
//! the Indeks Desa. They share the names of the five categories, so a category or a score means
//! nothing without its [`IndexKind`] and year. Only desa have an index, kelurahan have none.

use serde::{Deserialize, Serialize};

use crate::region::VillageCode;

/// Which index it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndexKind {
    /// Indeks Desa Membangun: the mean of three indices, 0 to 1.
    Idm,
    /// Indeks Desa: six dimensions.
    IndeksDesa,
}

/// The category that a village's score puts it in, the same five in both indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Sangat Tertinggal.
    SangatTertinggal,
    /// Tertinggal.
    Tertinggal,
    /// Berkembang.
    Berkembang,
    /// Maju.
    Maju,
    /// Mandiri.
    Mandiri,
}

impl Category {
    /// Every category, from the least developed.
    pub const ALL: [Self; 5] =
        [Self::SangatTertinggal, Self::Tertinggal, Self::Berkembang, Self::Maju, Self::Mandiri];

    /// The category as Kemendes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SangatTertinggal => "Sangat Tertinggal",
            Self::Tertinggal => "Tertinggal",
            Self::Berkembang => "Berkembang",
            Self::Maju => "Maju",
            Self::Mandiri => "Mandiri",
        }
    }

    /// Reads a category whatever its letter case and spacing: sources write "MANDIRI" and
    /// "SANGAT TERTINGGAL" too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self::ALL.into_iter().find(|category| category.as_str().eq_ignore_ascii_case(&text))
    }
}

/// The index of a village for a year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VillageIndex {
    /// The village.
    pub village: VillageCode,
    /// The year that it is of.
    pub year: i16,
    /// Which index it is.
    pub kind: IndexKind,
    /// The score, 0 to 1.
    pub score: f64,
    /// The category that Kemendes puts the village in.
    pub category: Category,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_read_in_any_case_and_spacing() {
        for category in Category::ALL {
            assert_eq!(Category::parse(category.as_str()), Some(category));
            assert_eq!(Category::parse(&category.as_str().to_uppercase()), Some(category));
        }
        assert_eq!(Category::parse(" sangat  tertinggal"), Some(Category::SangatTertinggal));
        assert_eq!(Category::parse("Sangat Maju"), None);
    }
}
