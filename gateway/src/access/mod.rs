//! Access: which agencies are registered, and what each may do and see.
//!
//! A call is allowed by turning it into a [`Permit`], which only [`Policy::authorise`] makes; no
//! use case that touches personal data can be called without one. Everything that is not granted
//! is refused.

mod directory;
#[cfg(test)]
mod fuzz;
mod identity;
pub mod issuer;
pub mod limits;
mod permit;
mod policy;

pub use directory::Directory;
pub use identity::{NoIdentity, NotATrustDomain, PeerIdentity, TrustDomain};
pub use permit::{Admission, Attempt, Permit, Refusal};
pub use policy::{
    Because, Broken, Explanation, Grant, Policy, Relation, Source, class_name, method_named,
};
