//! The Desmigratif Gateway: the one door through which ministries, other agencies and clinics
//! exchange the records that protect Indonesia's migrant workers and their villages.
//!
//! The modules are floors, each importing only from those below it:
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 6 | [`cli`] | the verbs of the binary; the only place that wires everything |
//! | 5 | [`edge`] | listener, mutual TLS, the layers of a call |
//! | 4 | [`services`] | wire message -> domain -> one use case -> wire message |
//! | 3 | [`access`], [`exchange`], [`audit`] | who may see what; submit and disclose; the journal as evidence |
//! | 2 | [`store`] | the SQLite engine of the store port |
//! | – | [`config`], [`deadline`], [`renewal`], [`fault`], [`telemetry`], [`pki`] | used by several floors, using none |
//!
//! The rules of the domain are in `desmigratif-core`, the contract in `desmigratif-proto`.

pub mod access;
pub mod audit;
pub mod cli;
pub mod config;
pub mod deadline;
pub mod edge;
pub mod exchange;
pub mod fault;
pub mod pki;
pub mod renewal;
pub mod services;
pub mod store;
pub mod telemetry;
