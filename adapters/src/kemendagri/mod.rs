//! Kemendagri, the Ministry of Home Affairs: it owns region codes and the population register.

mod dukcapil;
pub mod regions;

pub(crate) use dukcapil::Dukcapil;
pub use dukcapil::Settings;
