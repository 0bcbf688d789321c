//! Typo-tolerant search of village names: candidates by shared trigrams, order by edit distance
//! (the `rapidfuzz` crate).
//!
//! Distinct names are indexed once (many villages share one: there are 98 of Sidomulyo). A typo
//! spoils at most three trigrams of a name, so a name that shares few with the query cannot be
//! near it and its distance is never computed.

use std::collections::HashMap;

use rapidfuzz::fuzz;

/// Names that share fewer trigrams than this part of the query's are not compared.
const SHARED_PART: f64 = 0.3;
/// At most so many names, those that share most, are compared.
const COMPARED: usize = 400;
/// Names less alike than this are no hits.
const LEAST_SCORE: f64 = 0.6;
/// How much of a score words about the surroundings make.
const SURROUNDINGS: f64 = 0.3;

type Trigram = [char; 3];

/// An index of names by their trigrams.
#[derive(Default)]
pub struct SearchIndex {
    /// Distinct folded names.
    names: Vec<Box<str>>,
    /// The rows that have each name.
    rows: Vec<Box<[u32]>>,
    /// The names that have each trigram.
    postings: HashMap<Trigram, Vec<u32>>,
}

/// A row that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Which row of those that the index was built from.
    pub row: u32,
    /// How alike it is, 0 to 1.
    pub score: f64,
}

impl SearchIndex {
    /// Indexes names; row n is the nth.
    #[must_use]
    pub fn build<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut rows_by_name: HashMap<String, Vec<u32>> = HashMap::new();
        for (name, row) in names.zip(0_u32..) {
            rows_by_name.entry(fold(name)).or_default().push(row);
        }
        let mut sorted: Vec<_> = rows_by_name.into_iter().collect();
        sorted.sort_unstable();
        let mut index = Self::default();
        for ((name, rows), n) in sorted.into_iter().zip(0_u32..) {
            for trigram in trigrams(&name) {
                index.postings.entry(trigram).or_default().push(n);
            }
            index.names.push(name.into());
            index.rows.push(rows.into());
        }
        for names in index.postings.values_mut() {
            names.shrink_to_fit();
        }
        index
    }

    /// The `limit` best rows that `keep` keeps. The query is a name, perhaps followed by words
    /// about its surroundings, which are compared with the names that `around` gives for a row.
    pub fn search<'a, const N: usize>(
        &self,
        query: &str,
        keep: impl Fn(u32) -> bool,
        around: impl Fn(u32) -> [&'a str; N],
        limit: usize,
    ) -> Vec<Hit> {
        let query = fold(query);
        let words: Vec<&str> = query.split(' ').collect();
        let mut best: HashMap<u32, f64> = HashMap::new();
        for split in (1..=words.len()).rev() {
            let (name, surroundings) = words.split_at(split);
            for (candidate, likeness) in self.names_like(&name.join(" ")) {
                for row in self.rows[candidate as usize].iter().copied().filter(|row| keep(*row)) {
                    let score = if surroundings.is_empty() {
                        likeness
                    } else {
                        let near = nearness(surroundings, &around(row));
                        likeness * (1.0 - SURROUNDINGS) + near * SURROUNDINGS
                    };
                    let known = best.entry(row).or_insert(0.0);
                    *known = known.max(score);
                }
            }
        }
        let mut hits: Vec<_> = best
            .into_iter()
            .map(|(row, score)| Hit { row, score })
            .filter(|hit| hit.score >= LEAST_SCORE)
            .collect();
        hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        hits.truncate(limit);
        hits
    }

    /// The names like one that is folded, each with its likeness.
    fn names_like(&self, name: &str) -> Vec<(u32, f64)> {
        let wanted = trigrams(name);
        let mut shared = vec![0_u8; self.names.len()];
        for names in wanted.iter().filter_map(|trigram| self.postings.get(trigram)) {
            for name in names {
                let count = &mut shared[*name as usize];
                *count = count.saturating_add(1);
            }
        }
        let least = ((wanted.len() as f64 * SHARED_PART) as u8).max(1);
        let mut candidates: Vec<_> =
            shared.into_iter().zip(0_u32..).filter(|(count, _)| *count >= least).collect();
        if candidates.len() > COMPARED {
            candidates.select_nth_unstable_by(COMPARED, |a, b| b.cmp(a));
            candidates.truncate(COMPARED);
        }
        candidates
            .into_iter()
            .map(|(_, n)| (n, fuzz::ratio(name.chars(), self.names[n as usize].chars())))
            .filter(|(_, likeness)| *likeness >= LEAST_SCORE)
            .collect()
    }
}

/// How well words agree with the names around a row: the mean, over the words, of the best
/// likeness to any word of those names.
fn nearness<const N: usize>(words: &[&str], around: &[&str; N]) -> f64 {
    let around: Vec<String> = around.iter().map(|name| fold(name)).collect();
    let best = |word: &&str| {
        around
            .iter()
            .flat_map(|name| name.split(' '))
            .map(|other| fuzz::ratio(word.chars(), other.chars()))
            .fold(0.0, f64::max)
    };
    // Words that are hardly alike say that the place is another one.
    let worth = |likeness: f64| if likeness >= LEAST_SCORE { likeness } else { 0.0 };
    words.iter().map(|word| worth(best(word))).sum::<f64>() / words.len() as f64
}

/// Lower case, letters and digits only, one space between words. Village names hold quotes,
/// commas and U+2019; a quote inside a word vanishes.
fn fold(text: &str) -> String {
    let spaced: String = text
        .chars()
        .filter(|c| !matches!(c, '\'' | '\u{2019}' | '`'))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    spaced.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The distinct trigrams of a folded name, with its ends marked by spaces.
fn trigrams(name: &str) -> Vec<Trigram> {
    let chars: Vec<char> = std::iter::once(' ').chain(name.chars()).chain([' ']).collect();
    let mut trigrams: Vec<Trigram> =
        chars.windows(3).map(|window| [window[0], window[1], window[2]]).collect();
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::gazetteer::tests::small;
    use super::super::{Gazetteer, RegionCode};
    use super::*;

    fn names<'a>(gazetteer: &'a Gazetteer, query: &str) -> Vec<&'a str> {
        gazetteer.search(query, None, 10).into_iter().map(|(village, _)| village.name).collect()
    }

    #[test]
    fn a_name_comes_first_and_its_likes_after() {
        let gazetteer = small();
        assert_eq!(names(&gazetteer, "kenanga"), ["Kenanga", "Kenangan"]);
        assert_eq!(gazetteer.search("KENANGA", None, 10)[0].1, 1.0);
        assert_eq!(names(&gazetteer, "Kenannga")[0], "Kenanga");
        assert_eq!(names(&gazetteer, "kuripna"), ["Kuripan"]);
        assert!(names(&gazetteer, "zzzz").is_empty());
    }

    #[test]
    fn words_about_the_surroundings_decide_between_likes() {
        let gazetteer = small();
        assert_eq!(names(&gazetteer, "Kenanga Wonosobo")[0], "Kenangan");
        assert_eq!(names(&gazetteer, "Kenangan Indramayu")[0], "Kenanga");
        assert_eq!(names(&gazetteer, "rimba jaya")[0], "Rimba Jaya");
    }

    #[test]
    fn a_region_bounds_the_search() {
        let gazetteer = small();
        let within = RegionCode::parse("33").ok();
        let hits = gazetteer.search("kenanga", within, 10);
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].0.name, "Kenangan");
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic_and_scores_fall(query in "\\PC{0,40}") {
            let gazetteer = small();
            let hits = gazetteer.search(&query, None, 10);
            prop_assert!(hits.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            prop_assert!(hits.iter().all(|hit| (LEAST_SCORE..=1.0).contains(&hit.1)));
        }
    }
}
