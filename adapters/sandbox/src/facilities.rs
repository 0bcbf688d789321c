//! The designated facilities of the sandbox: one in each of the kabupaten that many workers leave.

use desmigratif_core::facility::{Designation, Facility, FacilityClass};
use desmigratif_core::region::{Gazetteer, RegionCode};
use jiff::civil::date;

/// Kabupaten with the id of their facility, in the provinces that most workers come from.
const PLACES: &[(&str, &str)] = &[
    ("32.12", "klinik-indramayu"),
    ("33.07", "klinik-wonosobo"),
    ("35.07", "klinik-malang"),
    ("32.09", "klinik-cirebon"),
    ("32.13", "klinik-subang"),
    ("33.01", "klinik-cilacap"),
    ("33.24", "klinik-kendal"),
    ("33.18", "klinik-pati"),
    ("35.02", "klinik-ponorogo"),
    ("35.04", "klinik-tulungagung"),
    ("35.05", "klinik-blitar"),
    ("35.10", "klinik-banyuwangi"),
    ("52.02", "klinik-lombok-tengah"),
    ("52.03", "klinik-lombok-timur"),
    ("53.08", "klinik-ende"),
    ("18.07", "klinik-lampung-timur"),
    ("12.07", "klinik-deli-serdang"),
    ("61.01", "klinik-sambas"),
];

/// The facility that is not in operation any more: its ministry says so, its designation is still
/// open.
pub const CLOSED: &str = "klinik-sambas";

/// The facilities, each at the first village of its kabupaten whose position is known.
#[must_use]
pub fn facilities(gazetteer: &Gazetteer) -> Vec<Facility> {
    PLACES
        .iter()
        .filter_map(|(regency, id)| {
            let regency = gazetteer.region(RegionCode::parse(regency).ok()?)?;
            let (village, location) = gazetteer
                .villages_in(regency.code, None)
                .find_map(|village| Some((village.code, village.location?)))?;
            let place = regency.name.trim_start_matches("Kabupaten ");
            Some(Facility {
                id: (*id).to_owned(),
                name: format!("Klinik Utama Contoh {place}"),
                class: FacilityClass::KlinikUtama,
                village,
                location,
                designations: vec![Designation { from: date(2024, 1, 1), until: None }],
                capacity_per_day: 40,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use desmigratif_adapters::kemendagri::regions;

    use super::*;

    #[test]
    fn every_place_is_a_real_one_and_every_clinic_has_its_facility() {
        let facilities = facilities(&regions::load());
        assert_eq!(facilities.len(), PLACES.len());
        assert!(facilities.iter().any(|facility| facility.id == CLOSED));
        for agency in crate::agencies::agencies() {
            if let Some(id) = agency.facility {
                assert!(facilities.iter().any(|facility| facility.id == id), "{id}");
            }
        }
    }
}
