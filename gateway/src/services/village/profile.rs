//! GetVillageProfile: the one-location view, each ministry's part marked with how far it can be
//! relied on.

use desmigratif_core::record::Record;
use desmigratif_core::region::VillageCode;
use desmigratif_core::text::Text;
use desmigratif_core::village_index::{Category, IndexKind};
use desmigratif_proto::Path;
use desmigratif_proto::village::v1::{
    DevelopmentPart, FacilityStanding, GetVillageProfileRequest, GetVillageProfileResponse,
    HealthPart, NearbyFacility, ProgrammePart, VillageIndexKind, WorkforcePart,
};

use super::super::flow::{DisclosureRequest, Read, receipted};
use super::super::programme::convert;
use super::super::reading::Reading;
use super::super::wire;
use super::village_to_wire;
use crate::exchange::programme::BriefingVillage;
use crate::exchange::{Call, Disclosed, Error, Exchange, Freshness, Profile};

receipted!(GetVillageProfileResponse);

/// Why a village has no nearest facilities.
const NO_FACILITIES: Text = Text {
    en: "no designated facility is known, or the village has no published position",
    id: "tidak ada fasilitas yang ditunjuk, atau posisi desa tidak diketahui",
};

impl Read for GetVillageProfileRequest {
    type Input = (VillageCode, Freshness);

    fn read(&self, reading: &mut Reading, exchange: &Exchange) -> Option<Self::Input> {
        let code = wire::read_village(reading, Path::ROOT.field("code"), &self.code, exchange);
        let at = Path::ROOT.field("freshness");
        let freshness = wire::read_freshness(reading, at, self.freshness.as_ref());
        Some((code?, freshness?))
    }
}

impl DisclosureRequest for GetVillageProfileRequest {
    type Response = GetVillageProfileResponse;

    async fn answer(
        exchange: &Exchange,
        call: &Call,
        (code, freshness): (VillageCode, Freshness),
    ) -> Result<Disclosed<GetVillageProfileResponse>, Error> {
        let profile = exchange.profile(call, code, freshness).await?;
        let gazetteer = &exchange.gazetteer;
        let village = gazetteer.village(code).map(|it| village_to_wire(&it, gazetteer.decree()));
        let value = GetVillageProfileResponse {
            village,
            workforce: Some(workforce(&profile)),
            health: Some(health(&profile)),
            development: Some(development(&profile)),
            programme: profile.programme.as_ref().map(|it| programme(exchange, it)),
            receipt: None,
        };
        let fresh = profile.index.value.flatten().filter(|_| profile.index.renewed);
        let copies = fresh.map(Record::VillageIndex).into_iter().collect();
        Ok(Disclosed { value, subjects: Vec::new(), copies })
    }
}

fn programme(exchange: &Exchange, it: &BriefingVillage) -> ProgrammePart {
    let problems = it.problems.iter();
    ProgrammePart {
        year: convert::year(it.year),
        facilitators: u32::try_from(it.facilitators).unwrap_or(u32::MAX),
        person_in_charge: it.person_in_charge,
        active_pillars: it.active_pillars.iter().map(|it| convert::pillar(*it).into()).collect(),
        problems: problems.map(|it| convert::sector_standing(it, &exchange.rules)).collect(),
    }
}

fn workforce(profile: &Profile) -> WorkforcePart {
    let workforce = profile.workforce.value.unwrap_or_default();
    WorkforcePart {
        status: Some(wire::provenance(&profile.workforce)),
        prospective: workforce.prospective,
        ready: workforce.ready,
        abroad: workforce.abroad,
        returned: workforce.returned,
    }
}

fn health(profile: &Profile) -> HealthPart {
    let Some(standings) =
        profile.standings.value.as_ref().filter(|_| !profile.facilities.is_empty())
    else {
        let status = if profile.facilities.is_empty() {
            wire::unavailable(profile.standings.owner, NO_FACILITIES)
        } else {
            wire::provenance(&profile.standings)
        };
        return HealthPart { status: Some(status), nearest_facilities: Vec::new() };
    };
    let nearest_facilities = profile.facilities.iter().map(|near| {
        let standing = standings.iter().find(|standing| standing.id == near.facility.id);
        NearbyFacility {
            facility_id: near.facility.id.clone(),
            name: near.facility.name.clone(),
            distance_km: near.distance_km,
            standing: match standing.map(|standing| standing.active) {
                None => FacilityStanding::Unspecified,
                Some(true) => FacilityStanding::Active,
                Some(false) => FacilityStanding::Inactive,
            }
            .into(),
        }
    });
    HealthPart {
        status: Some(wire::provenance(&profile.standings)),
        nearest_facilities: nearest_facilities.collect(),
    }
}

fn development(profile: &Profile) -> DevelopmentPart {
    let status = Some(wire::provenance(&profile.index));
    // A village without an index, such as a kelurahan, has a part that says so: all empty.
    let Some(Some(index)) = &profile.index.value else {
        return DevelopmentPart { status, ..DevelopmentPart::default() };
    };
    let kind = match index.kind {
        IndexKind::Idm => VillageIndexKind::Idm,
        IndexKind::IndeksDesa => VillageIndexKind::IndeksDesa,
    };
    DevelopmentPart {
        status,
        index_status: Category::as_str(index.category).to_owned(),
        index_score: index.score,
        index_year: u32::try_from(index.year).unwrap_or_default(),
        index_kind: kind.into(),
    }
}
