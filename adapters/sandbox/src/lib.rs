//! The sandbox: a small synthetic country to develop and test against.
//!
//! Everything in it is made up and says so: names of people begin with "Contoh" (Indonesian for
//! example), their NIKs with 99, which no region has, and facilities are called "Contoh". Only the
//! villages are real. It is deterministic: the same world every time.
//!
//! Its [`Sandbox`] is four simulated ministries on real sockets, which speak the wire protocols of
//! the real ones with their quirks, and can be made to [fail](Fault) while they run. They are not
//! the real ones: where a protocol is not public, what they do is the sandbox's own, and says so.

pub mod admin;
pub mod agencies;
pub mod connector;
pub mod credentials;
pub mod facilities;
mod fault;
pub mod fixtures;
pub mod kemendagri;
pub mod kemendes;
mod kemenkes;
mod ledger;
pub mod people;
mod sandbox;
mod server;
mod wire;
mod world;

pub use fault::{Fault, Switch};
pub use ledger::Ledger;
pub use sandbox::{Sandbox, Settings};
pub use world::World;
