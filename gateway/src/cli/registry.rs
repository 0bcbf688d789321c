//! Who and what is registered: the operator's files of agencies and facilities.

use std::collections::HashSet;
use std::path::Path;

use desmigratif_core::agency::Agency;
use desmigratif_core::facility::Facility;
use desmigratif_core::ports::store::Store;
use desmigratif_core::record::{Key, Kind, Record};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::config;

/// The agencies and facilities that the operator's files register.
pub(super) fn registered(registry: &config::Registry) -> Result<Vec<Record>, Failure> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Agencies {
        agency: Vec<Agency>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Facilities {
        facility: Vec<Facility>,
    }
    let mut records = Vec::new();
    if let Some(path) = &registry.agencies {
        let file: Agencies = read_toml(path)?;
        records.extend(file.agency.into_iter().map(Record::Agency));
    }
    if let Some(path) = &registry.facilities {
        let file: Facilities = read_toml(path)?;
        records.extend(file.facility.into_iter().map(Record::Facility));
    }
    consistent(registry, &records)?;
    Ok(records)
}

/// What of the operator's files the store is to be given: what is new. Once registered, an agency's
/// life cycle is the operators' (`desmigratif agencies`) and a facility is Kemenkes's
/// (`RegisterFacility`): a file must not wake a suspended agency, or bring back a designation that
/// has ended, at the next start.
pub(super) async fn not_yet_there(
    store: &dyn Store,
    records: Vec<Record>,
) -> Result<Vec<Record>, Failure> {
    let mut wanted = Vec::with_capacity(records.len());
    for record in records {
        match store
            .get(&record.key())
            .await
            .map_err(|error| Failure::of("cannot read the store", error))?
        {
            None => wanted.push(record),
            Some(stored) if stored.record == record => {}
            Some(_) => tracing::info!(
                kind = record.key().kind.as_str(),
                id = record.key().id,
                "what is registered differs from the registry's file, and holds"
            ),
        }
    }
    Ok(wanted)
}

/// Refuses files in which an agency or a facility stands twice, or a clinic has no facility: which
/// of two entries holds decides who may see what.
fn consistent(registry: &config::Registry, records: &[Record]) -> Result<(), Failure> {
    let mut keys = HashSet::new();
    if let Some(twice) = records.iter().map(Record::key).find(|key| !keys.insert(key.clone())) {
        let what = format!("registry: {} {} stands twice", twice.kind.as_str(), twice.id);
        return Err(Failure::Usage(what));
    }
    let homeless = records.iter().find_map(|record| match record {
        Record::Agency(Agency { id, facility: Some(facility), .. }) => {
            let key = Key { kind: Kind::Facility, id: facility.clone() };
            (!keys.contains(&key)).then_some((id, facility))
        }
        _ => None,
    });
    match homeless {
        Some((id, facility)) if registry.facilities.is_some() => Err(Failure::Usage(format!(
            "registry: agency {id} submits for facility {facility}, which registry.facilities does not have"
        ))),
        _ => Ok(()),
    }
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bad = |error: anyhow::Error| {
        Failure::Usage(format!("{}: {error:#}", path.display()).trim_end().replace('\n', " "))
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.into()))?;
    toml::from_str(&text).map_err(|error| bad(error.into()))
}
