//! The contract of the Desmigratif Gateway: its messages and services, and what the contract says
//! of them, in Rust.
//!
//! It is not the rules of the domain (those are in `desmigratif-core`) nor a policy: it knows which
//! class of data a field is of, not who may see it.
//!
//! Invariants:
//! - Everything is generated from the proto files when the crate is built, without protoc. A
//!   method without access, a field without a data class, an element without a comment or a rule
//!   that is not enforced does not compile.
//! - Every message can be validated ([`Validate`]), minimised ([`Minimise`]) and shown without
//!   disclosing anything but its public fields (`Debug`).

pub mod codec;

mod behaviour;
mod class_set;
#[cfg(test)]
mod fuzz;
mod methods;
mod minimise;
mod validate;

pub use class_set::ClassSet;
pub use methods::{METHODS, Method, find};
pub use minimise::Minimise;
pub use validate::{Path, Validate, Violation, Violations};

include!(concat!(env!("OUT_DIR"), "/contract/modules.rs"));

#[cfg(test)]
include!(concat!(env!("OUT_DIR"), "/fixture/modules.rs"));

/// The contract's files with all that they import, as an encoded
/// `google.protobuf.FileDescriptorSet`, for server reflection. Options and comments are in it.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
