//! Black-box suites: each starts the real binary and speaks to it over real mutual TLS.
//!
//! One test binary, a module a topic. No fixed ports and no sleeps: the gateway says when it is
//! ready and where it listens.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod access;
mod agencies;
mod attacks;
mod authority;
mod calls;
mod country;
mod cuts;
mod deadletter;
mod disclosures;
mod durability;
mod edge;
mod erasure;
mod evidence;
mod faults;
mod feed;
mod folder;
mod freshness;
mod full_disk;
mod gateway;
mod idempotency;
mod input;
mod journal;
mod limits;
mod matrix;
mod order;
mod privacy;
mod probes;
mod process;
mod programme;
mod raw;
mod reload;
mod signature;
mod startup;
mod tidy;
mod timestamps;
mod walk;
mod withholdings;
mod witness;
