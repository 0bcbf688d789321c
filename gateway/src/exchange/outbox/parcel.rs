//! A delivery as it is handed over: the record at its version, with what the ministry needs beside
//! it and without what it may not see.

use desmigratif_core::access::AgencyKind;
use desmigratif_core::clearance::Clearance;
use desmigratif_core::ports::ministry::{ClearanceFile, Content, Fault, FaultKind, Parcel, Retry};
use desmigratif_core::ports::store::outbox::Leased;
use desmigratif_core::record::{Key, Kind, Record};
use uuid::Uuid;

use super::super::Exchange;

/// The parcel of a delivery to a ministry.
///
/// # Errors
/// A [`Fault`] when a record that is needed beside it is not there, or cannot be read now.
pub(super) async fn of(
    exchange: &Exchange,
    to: AgencyKind,
    leased: &Leased,
) -> Result<Parcel, Fault> {
    let content = match leased.stored.record.clone() {
        Record::Worker(worker) => Content::Worker(Box::new(worker)),
        Record::FamilyMember(member) => Content::FamilyMember(Box::new(member)),
        Record::Clearance(clearance) => {
            Content::Clearance(Box::new(file(exchange, to, clearance).await?))
        }
        _ => return Err(Fault::unsupported("records of this kind are not delivered")),
    };
    Ok(Parcel {
        key: key(exchange, to, leased),
        entry: leased.entry,
        at: leased.entry_at,
        version: leased.stored.version,
        content,
    })
}

/// The key of a delivery's one effect. Made of what is delivered and of its entry, never of the
/// delivery's number alone: a store that is put back to an earlier state counts anew.
fn key(exchange: &Exchange, to: AgencyKind, leased: &Leased) -> Uuid {
    let Key { kind, id } = leased.stored.record.key();
    let what = format!(
        "{}/{}/{id}/{}/{}/{}",
        to.as_str(),
        kind.as_str(),
        leased.stored.version,
        leased.entry,
        leased.entry_at.as_microsecond()
    );
    let digest = exchange.subject_key.digest("delivery", what.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

async fn file(
    exchange: &Exchange,
    to: AgencyKind,
    clearance: Clearance,
) -> Result<ClearanceFile, Fault> {
    let key = Key { kind: Kind::Worker, id: clearance.worker_id.to_string() };
    let worker = exchange
        .store
        .get(&key)
        .await
        .map_err(|_| Fault::new(FaultKind::Unavailable, Retry::Safe, "the store cannot be read"))?
        .and_then(|stored| stored.record.into_worker());
    let worker = worker.ok_or_else(|| gone("the worker's record is gone"))?;
    let facilities = exchange.mirror.facilities();
    let facility = facilities.get(&clearance.facility_id);
    let facility = facility.cloned().ok_or_else(|| gone("the facility's record is gone"))?;
    let valid_until = clearance.valid_until(&exchange.validity);
    // Only the ministry that owns clearances sees why: the others learn the conclusion.
    let clearance = match to {
        AgencyKind::Kemenkes => clearance,
        _ => Clearance { findings: Vec::new(), pregnancy_test: None, ..clearance },
    };
    Ok(ClearanceFile { clearance, worker, facility, valid_until })
}

fn gone(what: &'static str) -> Fault {
    Fault::new(FaultKind::Rejected, Retry::Never, what)
}
