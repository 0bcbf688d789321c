//! A table of designated health facilities: one row a facility, with all its periods.

use desmigratif_core::access::Purpose;
use desmigratif_core::text::Text;
use desmigratif_proto::common::v1::{FieldViolation, ItemError, LatLng};
use desmigratif_proto::health::v1::facility_service_client::FacilityServiceClient;
use desmigratif_proto::health::v1::{
    DesignationPeriod, FacilityClass, FacilityDetails, RegisterFacilityRequest,
};
use futures_util::stream::{self, StreamExt as _};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::super::operate::Calls;
use super::columns::{Cells, Column};
use super::reason::Reason;
use super::send::{passes, stops};
use super::sheet::{Answer, Answers, Sheet};
use super::worker::note;

/// Facilities.
pub(super) struct Facilities;

const CLASSES: &[(&[&str], FacilityClass)] = &[
    (&["a", "rs_kelas_a", "hospital_a"], FacilityClass::HospitalA),
    (&["b", "rs_kelas_b", "hospital_b"], FacilityClass::HospitalB),
    (&["c", "rs_kelas_c", "hospital_c"], FacilityClass::HospitalC),
    (&["klinik_utama", "klinik"], FacilityClass::KlinikUtama),
];

impl Sheet for Facilities {
    const PURPOSE: Purpose = Purpose::Oversight;
    const NAMES_PEOPLE: bool = false;
    const COLUMNS: &'static [Column] = &[
        Column {
            name: "id_fasilitas",
            aliases: &["id", "facility_id"],
            field: "facility.facility_id",
            required: true,
            example: "klinik-contoh",
        },
        Column {
            name: "nama",
            aliases: &["nama_fasilitas", "name"],
            field: "facility.name",
            required: true,
            example: "Klinik Utama Contoh",
        },
        Column {
            name: "kelas",
            aliases: &["kelas_fasilitas", "jenis", "class"],
            field: "facility.facility_class",
            required: true,
            example: "klinik utama",
        },
        Column {
            name: "kode_desa",
            aliases: &["kode_desa_kelurahan", "village_code"],
            field: "facility.village_code",
            required: true,
            example: "32.12.16.2004",
        },
        Column {
            name: "lintang",
            aliases: &["latitude", "lat"],
            field: "facility.location.latitude",
            required: true,
            example: "-6.4",
        },
        Column {
            name: "bujur",
            aliases: &["longitude", "lng", "lon"],
            field: "facility.location",
            required: true,
            example: "108.3",
        },
        Column {
            name: "penetapan",
            aliases: &["masa_penetapan", "designations"],
            field: "facility.designations",
            required: true,
            example: "2024-01-01..2025-12-31; 2026-01-01..",
        },
        Column {
            name: "kapasitas_per_hari",
            aliases: &["kapasitas", "capacity_per_day"],
            field: "facility.capacity_per_day",
            required: false,
            example: "40",
        },
    ];

    type Item = RegisterFacilityRequest;

    fn read(cells: &Cells<'_>) -> Result<RegisterFacilityRequest, Vec<Reason>> {
        let mut reasons = Vec::new();
        let latitude = note(&mut reasons, cells.number("lintang"));
        let longitude = note(&mut reasons, cells.number("bujur"));
        let location = latitude.zip(longitude);
        let facility = FacilityDetails {
            facility_id: cells.text("id_fasilitas"),
            name: cells.text("nama"),
            facility_class: note(&mut reasons, cells.choice("kelas", CLASSES))
                .unwrap_or_default()
                .into(),
            village_code: cells.text("kode_desa"),
            location: location.map(|(latitude, longitude)| LatLng { latitude, longitude }),
            designations: cells
                .parts("penetapan", &[';', '\n'])
                .iter()
                .map(|text| period(text))
                .collect(),
            capacity_per_day: note(&mut reasons, capacity(cells)),
        };
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let facility = Some(facility);
        Ok(RegisterFacilityRequest { facility, ..RegisterFacilityRequest::default() })
    }

    fn about(item: &RegisterFacilityRequest) -> String {
        item.facility.as_ref().map(|facility| facility.facility_id.clone()).unwrap_or_default()
    }

    fn identify(item: &mut RegisterFacilityRequest, request_id: String, validate_only: bool) {
        (item.request_id, item.validate_only) = (request_id, validate_only);
    }

    // One call after another: a country has hundreds of them.
    async fn send(calls: Calls, items: Vec<RegisterFacilityRequest>) -> Result<Answers, Status> {
        let client = FacilityServiceClient::new(calls);
        let answers = stream::iter(items).then(move |item| {
            let mut client = client.clone();
            async move {
                let request_id = item.request_id.clone();
                match client.register_facility(item).await {
                    Ok(_) => Ok(Answer { request_id, error: None }),
                    Err(status) if passes(status.code()) || stops(status.code()) => Err(status),
                    Err(status) => Ok(Answer { request_id, error: Some(item_error(&status)) }),
                }
            }
        });
        Ok(answers.boxed())
    }
}

/// A period: "2024-01-01..2025-12-31", or open "2026-01-01.."; the contract judges its days.
fn period(text: &str) -> DesignationPeriod {
    let parted = ["..", "s/d", "s.d."].into_iter().find_map(|by| text.split_once(by));
    let (from, until) = parted.unwrap_or((text, ""));
    DesignationPeriod { from: from.trim().to_owned(), until: until.trim().to_owned() }
}

fn capacity(cells: &Cells<'_>) -> Result<u32, Reason> {
    let number = cells.number("kapasitas_per_hari")?.unwrap_or_default();
    if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
        return Ok(number as u32);
    }
    let text = Text { en: "must be a whole number", id: "harus bilangan bulat" };
    Err(Reason::of("kapasitas_per_hari", "NUMBER_INVALID", text))
}

/// What a refusal of one call says, as a stream says it of an item.
fn item_error(status: &Status) -> ItemError {
    let indonesian = |text: Option<tonic_types::LocalizedMessage>| {
        text.filter(|text| text.locale == "id").map(|text| text.message).unwrap_or_default()
    };
    let broken = status.get_details_bad_request().map(|it| it.field_violations).unwrap_or_default();
    ItemError {
        code: status.code().into(),
        reason: status.get_details_error_info().map(|info| info.reason).unwrap_or_default(),
        message_en: status.message().to_owned(),
        message_id: indonesian(status.get_details_localized_message()),
        field_violations: broken
            .into_iter()
            .map(|broken| FieldViolation {
                field: broken.field,
                rule: broken.reason,
                message_en: broken.description,
                message_id: indonesian(broken.localized_message),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_written_in_several_ways() {
        for (text, from, until) in [
            ("2024-01-01..2025-12-31", "2024-01-01", "2025-12-31"),
            ("2024-01-01 s/d 2025-12-31", "2024-01-01", "2025-12-31"),
            ("2026-01-01..", "2026-01-01", ""),
            ("2026-01-01", "2026-01-01", ""),
        ] {
            let period = period(text);
            assert_eq!((period.from.as_str(), period.until.as_str()), (from, until), "{text}");
        }
    }
}
