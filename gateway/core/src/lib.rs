//! The rules of the Desmigratif exchange, and the ports through which it reaches the world.
//!
//! This is where a domain expert reads. It knows neither gRPC nor HTTP nor SQL; it holds the types
//! that cannot be wrong once built ([`nik::Nik`], [`region::VillageCode`], [`birth::BirthDate`]),
//! the rules that combine them ([`stage`], [`clearance`], [`identity`]), what is recorded
//! ([`record`], [`journal`]), what shows who called ([`credentials`]), and the [`ports`].
//!
//! Invariant: personal values implement no `Display`, and their `Debug` shows nothing. Whoever
//! needs one calls `expose`, which a reviewer can search for.

/// Gives personal types a `Debug` that shows their name and nothing of them.
macro_rules! redacted {
    ($($type:ident),+ $(,)?) => {
        $(impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(..)"))
            }
        })+
    };
}

pub mod access;
pub mod adapter;
pub mod agency;
pub mod birth;
pub mod clearance;
pub mod credentials;
pub mod facility;
pub mod family;
#[cfg(test)]
mod fuzz;
pub mod geo;
pub mod identity;
pub mod journal;
pub mod name;
pub mod nik;
pub mod ports;
pub mod programme;
pub mod record;
pub mod region;
pub mod setting;
pub mod stage;
pub mod subject;
pub mod text;
pub mod village_index;
pub mod withholding;
pub mod worker;
