//! Page tokens: where the next page of a list begins, bound to the list's filters (AIP-158).
//!
//! A token holds the id of the last record of its page and a checksum of the filters, so that a
//! token of another list is refused instead of giving a page of nonsense. It is no secret.

use desmigratif_core::text::Rule;
use sha2::{Digest, Sha256};

/// The records that a page has when the caller does not say.
pub(super) const DEFAULT_SIZE: u32 = 50;

/// The token is none of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOfThisList;

impl From<NotOfThisList> for Rule {
    fn from(NotOfThisList: NotOfThisList) -> Self {
        Self::new(
            "PAGE_TOKEN_INVALID",
            "is none that this list gave for these filters",
            "bukan dari daftar ini dengan penyaring ini",
        )
    }
}

/// The token of the page after the record `last`, for a list with `filters`.
pub(super) fn token(filters: &[&str], last: &str) -> String {
    format!("{}{}", checksum(filters), hex::encode(last))
}

/// Cuts a page of `size` out of what was found, of which one more than that was asked for: whether
/// it is there tells whether another page follows. Returns the other page's token, empty when
/// there is none; `id` gives the id of a record.
pub(super) fn cut<T>(
    found: &mut Vec<T>,
    size: u32,
    filters: &[&str],
    id: impl FnOnce(&T) -> String,
) -> String {
    let size = size as usize;
    let more = found.len() > size;
    found.truncate(size);
    found.last().filter(|_| more).map_or_else(String::new, |last| token(filters, &id(last)))
}

/// The id after which the page of `token` begins; `None` for the first page.
pub(super) fn after(filters: &[&str], token: &str) -> Result<Option<String>, NotOfThisList> {
    if token.is_empty() {
        return Ok(None);
    }
    let last = token.strip_prefix(&checksum(filters)).ok_or(NotOfThisList)?;
    let last = hex::decode(last).map_err(|_| NotOfThisList)?;
    String::from_utf8(last).map(Some).map_err(|_| NotOfThisList)
}

/// The records that a page may have: what is asked, or the default for 0.
pub(super) const fn size(asked: u32, default: u32) -> u32 {
    if asked == 0 { default } else { asked }
}

fn checksum(filters: &[&str]) -> String {
    let mut hash = Sha256::new();
    for filter in filters {
        hash.update(filter.len().to_be_bytes());
        hash.update(filter);
    }
    hex::encode(&hash.finalize()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_list_and_to_no_other() {
        let next = token(&["32", "1"], "32.12.15.2001");
        assert_eq!(after(&["32", "1"], &next), Ok(Some("32.12.15.2001".into())));
        assert_eq!(after(&["33", "1"], &next), Err(NotOfThisList));
        assert_eq!(after(&["3", "21"], &next), Err(NotOfThisList));
        assert_eq!(after(&["32", "1"], "nonsense"), Err(NotOfThisList));
        assert_eq!(after(&["32", "1"], ""), Ok(None));
    }

    #[test]
    fn a_page_is_followed_by_another_only_when_more_was_found() {
        let cut_of = |mut found: Vec<u32>| {
            let next = cut(&mut found, 2, &[], u32::to_string);
            (found, after(&[], &next).unwrap())
        };
        assert_eq!(cut_of(vec![7, 8, 9]), (vec![7, 8], Some("8".into())));
        assert_eq!(cut_of(vec![7, 8]), (vec![7, 8], None));
        assert_eq!(cut_of(vec![]), (vec![], None));
    }
}
