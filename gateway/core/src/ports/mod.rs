//! The ports: what the exchange asks of the world, as traits. Engines, adapters and clocks implement them
//! elsewhere; this crate knows none of them.

pub mod clock;
pub mod ministry;
pub mod store;
