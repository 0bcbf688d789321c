//! How far a caller reaches, as far as lists of a region are concerned.

use desmigratif_core::region::RegionCode;

use super::{Call, Error};
use desmigratif_core::record::Kind;

/// The digits that the codes of what is listed begin with, when a caller asks for those that begin
/// with `asked`: no more than the caller reaches. `None` when nothing is both.
pub(super) fn within(call: &Call, asked: &str) -> Option<String> {
    narrower(asked, &call.permit.place_bound())
}

/// The region that an answer of numbers is about, when a caller asks for one, or for all that the
/// caller reaches. `None` is the country.
///
/// # Errors
/// [`Error::NotFound`] when the caller does not reach the whole of it.
pub(super) fn whole(call: &Call, asked: Option<RegionCode>) -> Result<Option<RegionCode>, Error> {
    let bound = call.permit.place_bound();
    let Some(asked) = asked else {
        return match call.permit.agency().region {
            _ if bound.is_empty() => Ok(None),
            Some(own) if own.digits() == bound => Ok(Some(own)),
            _ => Err(Error::NotFound(Kind::Designation)),
        };
    };
    if asked.digits().starts_with(&bound) {
        Ok(Some(asked))
    } else {
        Err(Error::NotFound(Kind::Designation))
    }
}

/// The longer of two code prefixes when one begins with the other; `None` when no place has both.
fn narrower(asked: &str, bound: &str) -> Option<String> {
    if asked.starts_with(bound) {
        Some(asked.to_owned())
    } else if bound.starts_with(asked) {
        Some(bound.to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::narrower;

    #[test]
    fn a_bound_narrows_what_is_asked_and_never_widens_it() {
        assert_eq!(narrower("", "3212").as_deref(), Some("3212"));
        assert_eq!(narrower("321215", "3212").as_deref(), Some("321215"));
        assert_eq!(narrower("32", "3212").as_deref(), Some("3212"));
        assert_eq!(narrower("33", "3212"), None);
        assert_eq!(narrower("33", "").as_deref(), Some("33"));
    }
}
