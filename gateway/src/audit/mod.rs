//! Evidence: the journal as a log that anyone can verify.
//!
//! The journal's entries are the leaves of a Merkle tree ([`tree`]); its head is signed at least
//! each second when there is news ([`Log`]), as a note that others can cosign ([`note`]). Those who
//! do are witnesses, each at its own place ([`witness`]); an authority states when a head was there
//! ([`timestamp`]). The keys that sign follow each other by statements ([`succession`]). Every
//! [`receipt`] is signed in the same way as a head. Heads, proofs, cosignatures and timestamps are
//! not on the way of a call: leaves are durable with their commits, and all else follows from them.
//! [`verify`] judges a journal by what was signed of it, [`evidence`] proves a single exchange, and
//! [`caller`] who asked for it, all without trust in whoever runs the gateway.

pub mod caller;
pub mod evidence;
mod log;
pub mod note;
pub mod receipt;
pub mod succession;
pub mod timestamp;
pub mod tree;
pub mod verify;
pub mod witness;

pub use log::{Log, LogError, Witnesses};
