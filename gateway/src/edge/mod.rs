//! The edge: everything between a caller's socket and the services.
//!
//! [`listener`] accepts connections, [`tls`] proves certificates, [`layers`] is the list of what
//! every call passes, [`signature`] verifies what callers have signed themselves, [`carry`] puts any
//! services behind them, [`operators`] is the second, private listener.
//!
//! It knows no service, no rule of access and no record.
//!
//! Invariants:
//! - A service runs only for an active, registered agency with a certificate that counts now, and
//!   only after the access rules allowed the call.
//! - Whatever a peer leaves unfinished ends by a time limit.
//! - Nothing of a request's metadata or body is logged, traced, counted or echoed.

mod carry;
mod connection;
pub mod layers;
pub mod listener;
pub mod metrics;
pub mod operators;
mod signature;
pub mod tls;

pub use carry::{Carried, carry};

#[cfg(test)]
pub(crate) mod tests;
