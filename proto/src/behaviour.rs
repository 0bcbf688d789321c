//! The generated implementations of [`Validate`], [`Minimise`] and `Debug` for every message.

#![allow(
    missing_docs,
    unused_comparisons,
    unused_qualifications,
    clippy::all,
    clippy::redundant_clone
)]

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use crate::ClassSet;
use crate::minimise::{Minimise, keeps, minimise_held, minimise_list};
use crate::options::v1::DataClass;
use crate::validate::{Path, Validate, Violations, is_uuid};

include!(concat!(env!("OUT_DIR"), "/contract/behaviour.rs"));

#[cfg(test)]
mod fixture {
    use super::*;

    include!(concat!(env!("OUT_DIR"), "/fixture/behaviour.rs"));
}
