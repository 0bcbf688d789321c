//! The sandbox: a small synthetic country to develop and test against.
//!
//! Everything in it is made up and says so: names of people begin with "Contoh" (Indonesian for
//! example), their NIKs with 99, which no region has, and facilities are called "Contoh". Only the
//! villages are real. It is deterministic: the same world every time.
//!
//! The ministries' simulated servers join it together with their adapters.

pub mod agencies;
pub mod facilities;
pub mod people;
