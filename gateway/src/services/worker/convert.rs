//! Workers and family members: wire value <-> domain value.

use desmigratif_adapters::connector::wire as records;
use desmigratif_core::birth::{BirthDate, Precision};
use desmigratif_core::clearance::Country;
use desmigratif_core::family::Relation;
use desmigratif_core::identity::Sex;
use desmigratif_core::record::{Record, Stored};
use desmigratif_core::stage::Stage;
use desmigratif_core::text::Rule;
use desmigratif_core::worker::{Document, Placement};
use desmigratif_proto::Path;
use desmigratif_proto::worker::v1 as wire_v1;
use desmigratif_proto::worker::v1::{FamilyMemberDetails, WorkerDetails};

use super::super::reading::Reading;
use super::super::wire;
use crate::exchange::{Error, Exchange, NewFamilyMember, NewWorker, WorkerField};

/// The fields of a worker that may be left empty at registration.
const OPTIONAL: [&str; 6] =
    ["kk_number", "phone", "address", "destination_country", "placement", "documents"];

/// A new worker, from the wire.
pub(super) fn new_worker(
    reading: &mut Reading,
    at: Path<'_>,
    details: &WorkerDetails,
    exchange: &Exchange,
) -> Option<NewWorker> {
    let today = exchange.clock.today();
    let nik = wire::read_nik(reading, at.field("nik"), &details.nik, exchange);
    let name = wire::read_name(reading, at.field("name"), &details.name);
    let birth = read_birth(reading, at, details, exchange);
    let sex = wire::read_sex(details.sex());
    let village =
        wire::read_village(reading, at.field("village_code"), &details.village_code, exchange);
    let fields: Vec<_> =
        OPTIONAL.iter().map(|path| field(reading, at, details, path, exchange)).collect();
    let fields = fields.into_iter().collect::<Option<Vec<_>>>();
    let (nik, birth, sex, fields) = (nik?, birth?, sex?, fields?);
    wire::compare_with_nik(reading, at.field("nik"), &nik, sex, birth, today);
    let kk = fields.iter().find_map(|field| match field {
        WorkerField::Kk(kk) => kk.as_ref(),
        _ => None,
    });
    if let Some(kk) = kk {
        reading.take(at.field("nik"), nik.distinct_from(kk))?;
    }
    Some(NewWorker { nik, name: name?, birth, sex, village: village?, fields })
}

/// One field of a worker, by its name in an update mask.
pub(super) fn field(
    reading: &mut Reading,
    at: Path<'_>,
    details: &WorkerDetails,
    name: &str,
    exchange: &Exchange,
) -> Option<WorkerField> {
    let text = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    Some(match name {
        "kk_number" => {
            WorkerField::Kk(wire::read_kk(reading, at.field("kk_number"), &details.kk_number)?)
        }
        "name" => WorkerField::Name(wire::read_name(reading, at.field("name"), &details.name)?),
        "birth_date" => WorkerField::Birth(read_birth(reading, at, details, exchange)?),
        "sex" => WorkerField::Sex(read_stated_sex(reading, at, details)?),
        "village_code" => {
            let at = at.field("village_code");
            WorkerField::Village(wire::read_village(reading, at, &details.village_code, exchange)?)
        }
        "phone" => WorkerField::Phone(text(&details.phone)),
        "address" => WorkerField::Address(text(&details.address)),
        "destination_country" => WorkerField::Destination(reading.take_if_set(
            at.field("destination_country"),
            &details.destination_country,
            Country::parse,
        )?),
        "placement" => WorkerField::Placement(read_placement(details.placement())),
        "documents" => {
            WorkerField::Documents(details.documents().filter_map(read_document).collect())
        }
        _ => {
            let rule = Rule::new(
                "UPDATE_MASK_UNKNOWN",
                "names a field that does not exist or cannot be changed",
                "menyebut isian yang tidak ada atau tidak dapat diubah",
            );
            reading.broken(Path::ROOT.field("update_mask"), rule);
            return None;
        }
    })
}

fn read_birth(
    reading: &mut Reading,
    at: Path<'_>,
    details: &WorkerDetails,
    exchange: &Exchange,
) -> Option<BirthDate> {
    let birth = details.birth_date.as_ref()?;
    wire::read_birth_date(reading, at.field("birth_date"), birth, exchange.clock.today())
}

fn read_stated_sex(reading: &mut Reading, at: Path<'_>, details: &WorkerDetails) -> Option<Sex> {
    let sex = wire::read_sex(details.sex());
    let rule = Rule::new("SEX_MISSING", "must be stated", "harus dinyatakan");
    reading.take(at.field("sex"), sex.ok_or(rule))
}

/// A new family member, from the wire.
pub(super) fn new_family_member(
    reading: &mut Reading,
    at: Path<'_>,
    details: &FamilyMemberDetails,
    exchange: &Exchange,
) -> Option<NewFamilyMember> {
    let name = wire::read_name(reading, at.field("name"), &details.name);
    let nik = if details.nik.is_empty() {
        Some(None)
    } else {
        wire::read_nik(reading, at.field("nik"), &details.nik, exchange).map(Some)
    };
    let today = exchange.clock.today();
    let birth = reading.take_if_set(at.field("birth_date"), &details.birth_date, |text| {
        BirthDate::parse(text, Precision::Day, today)
    });
    Some(NewFamilyMember {
        name: name?,
        relation: read_relation(details.relation())?,
        nik: nik?,
        birth: birth?,
        caretaker: details.caretaker,
    })
}

/// A worker, for the wire, whole: the minimiser takes away what the caller may not see.
pub(super) fn worker(stored: &Stored) -> Result<wire_v1::Worker, Error> {
    let Record::Worker(worker) = &stored.record else {
        return Err(Error::Internal("a worker is expected".into()));
    };
    Ok(records::worker(worker, stored.version, stored.as_of))
}

/// A stage from the wire; `None` when it is not stated.
pub(super) const fn read_stage(stage: wire_v1::Stage) -> Option<Stage> {
    match stage {
        wire_v1::Stage::Unspecified => None,
        wire_v1::Stage::Prospective => Some(Stage::Prospective),
        wire_v1::Stage::Ready => Some(Stage::Ready),
        wire_v1::Stage::Abroad => Some(Stage::Abroad),
        wire_v1::Stage::Returned => Some(Stage::Returned),
        wire_v1::Stage::Withdrawn => Some(Stage::Withdrawn),
    }
}

const fn read_placement(placement: wire_v1::Placement) -> Option<Placement> {
    match placement {
        wire_v1::Placement::Unspecified => None,
        wire_v1::Placement::P3mi => Some(Placement::P3mi),
        wire_v1::Placement::Government => Some(Placement::Government),
        wire_v1::Placement::OwnCompany => Some(Placement::OwnCompany),
        wire_v1::Placement::Individual => Some(Placement::Individual),
    }
}

fn read_document(document: wire_v1::Document) -> Option<Document> {
    Document::ALL.into_iter().find(|it| records::document_to_wire(*it) == document)
}

const fn read_relation(relation: wire_v1::Relation) -> Option<Relation> {
    match relation {
        wire_v1::Relation::Unspecified => None,
        wire_v1::Relation::Spouse => Some(Relation::Spouse),
        wire_v1::Relation::Child => Some(Relation::Child),
        wire_v1::Relation::Parent => Some(Relation::Parent),
        wire_v1::Relation::Sibling => Some(Relation::Sibling),
        wire_v1::Relation::Other => Some(Relation::Other),
    }
}
