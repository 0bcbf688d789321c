//! The engines of the store port, one module each, and the vault that seals for all of them.
//! Nothing above this module touches SQL.
//!
//! An engine is nothing but its implementation of [`desmigratif_core::ports::store::Store`]:
//! what a caller may rely on is written there and tested by the port's conformance suite.

pub mod sqlite;
pub mod vault;
