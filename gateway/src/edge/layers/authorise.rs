//! The slot of the access rules: may this agency call this method for this purpose?
//!
//! The edge knows no rule. Whoever wires the gateway gives it an [`Authorise`]; what that answers
//! travels with the request as the proof that the question was asked.

use std::sync::Arc;

use desmigratif_core::agency::Agency;
use desmigratif_core::credentials::Credentials;
use http::HeaderMap;
use tonic::Status;

pub use crate::access::Attempt;

/// The metadata in which a caller states its purpose.
pub const PURPOSE_METADATA: &str = "desmigratif-purpose";

/// A call that asks to be let in.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'c> {
    /// The agency that calls.
    pub agency: &'c Arc<Agency>,
    /// The call, as far as it says itself.
    pub attempt: Attempt<'c>,
    /// What shows that it is the agency.
    pub credentials: &'c Credentials,
}

/// The access rules, as the edge asks for them. Called once per call; it must not block.
pub trait Authorise: Send + Sync + 'static {
    /// Proof that the call is allowed, found in the extensions of the request by its service.
    type Permit: Clone + Send + Sync + 'static;

    /// Decides on a call.
    ///
    /// # Errors
    /// The status that the caller gets when the call is not allowed.
    fn authorise(&self, asking: &Asking<'_>) -> Result<Self::Permit, Status>;
}

/// The purpose that the headers state, in the terms of [`Attempt::purpose`].
pub(crate) fn stated_purpose(headers: &HeaderMap) -> Option<&str> {
    let mut stated = headers.get_all(PURPOSE_METADATA).iter();
    match (stated.next(), stated.next()) {
        (None, _) => None,
        (Some(one), None) => Some(one.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Some(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_purpose_is_a_purpose_and_two_are_none_of_the_list() {
        let headers = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PURPOSE_METADATA, http::HeaderValue::from_bytes(value).unwrap());
            }
            headers
        };
        assert_eq!(stated_purpose(&headers(&[])), None);
        assert_eq!(stated_purpose(&headers(&[b"oversight"])), Some("oversight"));
        assert_eq!(stated_purpose(&headers(&[b"oversight", b"operations"])), Some(""));
        assert_eq!(stated_purpose(&headers(&[b"\xff"])), Some(""));
    }
}
