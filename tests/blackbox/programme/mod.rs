//! The programme, Desmigratif, as those who carry it use it.

pub(crate) mod records;
