//! Erasing a person at the person's own request.

use desmigratif_core::access::Classes;
use desmigratif_core::nik::Nik;

use super::{Change, Exchange};

impl Exchange {
    /// Decides on erasing a person. It looks nobody up, so that a person of whom nothing is known
    /// is erased in the same way, and takes as long.
    #[must_use]
    pub fn erase(&self, nik: &Nik) -> Change {
        let subject = self.subject_key.pseudonym(nik);
        Change {
            writes: Vec::new(),
            unchanged: Vec::new(),
            orders: Vec::new(),
            erase: Some(subject),
            subjects: vec![subject],
            classes: Classes::NONE,
        }
    }
}
