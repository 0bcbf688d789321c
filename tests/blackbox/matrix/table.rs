//! The reviewed table of who may do what, read back. A test of the policy keeps it equal to what
//! the policy files decide.

use std::collections::{BTreeMap, BTreeSet};

use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_proto::options::v1::DataClass;
use desmigratif_proto::{ClassSet, Method};

use super::contract::short_name;

const TABLE: &str = include_str!("../../../gateway/src/access/policies/matrix.txt");

/// What an agency may do for a purpose.
pub(super) struct Row {
    /// The classes of data that it may see.
    pub(super) classes: ClassSet,
    methods: BTreeSet<String>,
}

impl Row {
    /// Whether it may call a method.
    pub(super) fn lists(&self, method: &Method) -> bool {
        self.methods.contains(&short_name(method))
    }
}

/// The rows by kind of agency and purpose.
pub(super) struct Table(BTreeMap<(&'static str, &'static str), Row>);

impl Table {
    /// Reads the table.
    pub(super) fn read() -> Self {
        let row = |line: &'static str| {
            let cells: Vec<_> = line.split(" | ").collect();
            // The second table, of places, has fewer columns.
            let [kind, purpose, classes, methods] = cells[..] else { return None };
            let classes: Vec<_> = classes.split(' ').map(class).collect();
            let methods = methods.split(") ").flat_map(of_service).collect();
            Some(((kind, purpose), Row { classes: ClassSet::of(&classes), methods }))
        };
        Self(TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect())
    }

    /// What a kind of agency may do for a purpose, or for none; absent when nothing.
    pub(super) fn row(&self, kind: AgencyKind, purpose: Option<Purpose>) -> Option<&Row> {
        let key = match purpose {
            None => ("every kind", "none"),
            Some(purpose) => (kind.as_str(), purpose.as_str()),
        };
        self.0.get(&key)
    }
}

/// "FacilityService(GetFacility ListFacilities" as the methods' names.
fn of_service(text: &str) -> impl Iterator<Item = String> {
    let (service, names) = text.trim_end_matches(')').split_once('(').unwrap();
    names.split(' ').map(move |name| format!("{service}/{name}"))
}

fn class(name: &str) -> DataClass {
    let name = format!("DATA_CLASS_{}", name.to_uppercase().replace('-', "_"));
    DataClass::from_str_name(&name).unwrap()
}
