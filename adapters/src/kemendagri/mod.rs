//! Kemendagri, the Ministry of Home Affairs: it owns region codes and the population register.

pub mod regions;
