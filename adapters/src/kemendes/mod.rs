//! Kemendes, the Ministry of Villages: the open API of its village indices.
//!
//! The API is open, so there are no credentials. It is slow to accept a connection, and its
//! certificate chain has been seen incomplete: an operator then names the CA, and verification is
//! never switched off.
//!
//! It has one answer for a village that it does not know and for a year that it has no index for,
//! HTTP 400. So the years are asked for from the newest on until one has an index.
//!
//! Village codes are Kemendagri's. (The ministry's SDGs service takes BPS's: not asked here.)

mod answer;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{Answer, Condition, Fault, Ministry, Parcel, Question};
use desmigratif_core::region::{VillageCode, VillageKind};
use desmigratif_core::village_index::VillageIndex;
use reqwest::{Method, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use crate::config::{ConnectError, resolve};
use crate::upstream::http::{Http, Reply};
use crate::upstream::{self, Upstream};
use answer::Envelope;

/// How many years are asked for unless the settings name them: an index of a year comes out late in
/// it or in the next.
const YEARS: i16 = 3;

/// How the exchange reaches the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service's URL: "https://idm.kemendesa.go.id" or the like.
    pub url: Url,
    /// PEM file of the one CA that is trusted; by default the system's are.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The years to ask for; by default this year and the two before.
    #[serde(default)]
    pub years: Vec<i16>,
    /// The first year whose figures are of the Indeks Desa where an answer does not say which
    /// index it holds (Permendesa 9/2024).
    #[serde(default = "default_indeks_desa_from")]
    pub indeks_desa_from: i16,
    /// The village that a probe asks for.
    #[serde(default = "default_probe_village")]
    pub probe_village: VillageCode,
    /// How calls are limited and repeated. A connection may take 20 seconds by default, and a call
    /// 30.
    #[serde(default = "patient", deserialize_with = "over_patient")]
    pub upstream: upstream::Settings,
}

const fn default_indeks_desa_from() -> i16 {
    2025
}

/// Kenanga in Indramayu, one of the two pilot villages of the programme.
fn default_probe_village() -> VillageCode {
    VillageCode::parse("32.12.16.2004").expect("it is a village's code")
}

fn patient() -> upstream::Settings {
    upstream::Settings {
        connect_timeout_ms: 20_000,
        timeout_ms: 30_000,
        ..upstream::Settings::default()
    }
}

/// Reads what is given, over this adapter's defaults instead of the kit's.
fn over_patient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<upstream::Settings, D::Error> {
    let given = serde_json::Map::deserialize(deserializer)?;
    let mut all = serde_json::to_value(patient()).map_err(D::Error::custom)?;
    if let Some(all) = all.as_object_mut() {
        all.extend(given);
    }
    serde_json::from_value(all).map_err(D::Error::custom)
}

impl Settings {
    /// The service at a URL, all else by default.
    #[must_use]
    pub fn at(url: Url) -> Self {
        Self {
            url,
            ca: None,
            years: Vec::new(),
            indeks_desa_from: default_indeks_desa_from(),
            probe_village: default_probe_village(),
            upstream: patient(),
        }
    }

    /// Takes relative paths from `folder` on.
    pub fn resolve(&mut self, folder: &Path) {
        if let Some(ca) = &mut self.ca {
            resolve(ca, folder);
        }
    }
}

/// Sets up the way to the API. Reads certificates; calls nobody yet.
///
/// # Errors
/// [`ConnectError`] when the settings are of no use.
pub fn connect(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<impl Ministry + use<>, ConnectError> {
    settings.upstream.check()?;
    Idm::new(settings, clock)
}

struct Idm {
    http: Http,
    upstream: Upstream,
    years: Vec<i16>,
    indeks_desa_from: i16,
    probe_village: VillageCode,
    clock: Arc<dyn Clock>,
}

impl Idm {
    fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let mut years = settings.years.clone();
        years.sort_unstable_by(|a, b| b.cmp(a));
        years.dedup();
        Ok(Self {
            http: Http::new(&settings.upstream, &settings.url, settings.ca.as_deref())?,
            upstream: Upstream::new(AgencyKind::Kemendes, &settings.upstream, Arc::clone(&clock)),
            years,
            indeks_desa_from: settings.indeks_desa_from,
            probe_village: settings.probe_village,
            clock,
        })
    }

    /// The years to ask for, newest first.
    fn years(&self) -> Vec<i16> {
        if self.years.is_empty() {
            let newest = self.clock.today().year();
            return (0..YEARS).map(|ago| newest - ago).collect();
        }
        self.years.clone()
    }

    /// The index of a village as an answer to the question for a year has it; `None` when there is
    /// none.
    async fn index(
        &self,
        village: VillageCode,
        year: i16,
        deadline: Instant,
    ) -> Result<Option<VillageIndex>, Fault> {
        let path = format!("open/api/desa/rumusan/{}/{year}", village.digits());
        let path = path.as_str();
        let attempt = |until| async move {
            let request = self.http.request(Method::GET, path);
            let request = request.header("X-Requested-With", "XMLHttpRequest");
            let reply = self.http.send(request, until).await?;
            read(&reply, village, year, self.indeks_desa_from)
        };
        self.upstream.call(deadline, attempt).await
    }
}

/// Reads an answer to the question for a year.
fn read(
    reply: &Reply,
    village: VillageCode,
    year: i16,
    indeks_desa_from: i16,
) -> Result<Option<VillageIndex>, Fault> {
    if reply.status == StatusCode::BAD_REQUEST {
        let no_index = serde_json::from_slice::<Envelope>(&reply.body).is_ok_and(|it| it.error);
        return if no_index { Ok(None) } else { Err(reply.fault()) };
    }
    if !reply.status.is_success() {
        return Err(reply.fault());
    }
    let answer = reply.json::<Envelope>()?;
    if answer.error {
        // Seen with HTTP 400 only; with 200 the words have to say it.
        let text = answer.message.unwrap_or_default().to_lowercase();
        return match text.contains("tidak ditemukan") {
            true => Ok(None),
            false => Err(answer::malformed("an error under HTTP 200")),
        };
    }
    answer::index(answer, village, year, indeks_desa_from).map(Some)
}

#[async_trait]
impl Ministry for Idm {
    async fn lookup(&self, question: &Question, deadline: Instant) -> Result<Answer, Fault> {
        let Question::VillageIndex { village } = *question else {
            return Err(Fault::unsupported("the IDM API answers questions on indices alone"));
        };
        if village.kind() == VillageKind::Kelurahan {
            return Ok(Answer::VillageIndex(None));
        }
        for year in self.years() {
            if let Some(index) = self.index(village, year, deadline).await? {
                return Ok(Answer::VillageIndex(Some(index)));
            }
        }
        Ok(Answer::VillageIndex(None))
    }

    async fn deliver(&self, _: &Parcel, _: Instant) -> Result<(), Fault> {
        Err(Fault::unsupported("the IDM API takes no deliveries"))
    }

    /// That there is no index for the year is an answer as good as an index.
    async fn probe(&self, deadline: Instant) -> Result<(), Fault> {
        let year = self.years().last().copied().unwrap_or(default_indeks_desa_from());
        self.index(self.probe_village, year, deadline).await.map(drop)
    }

    fn condition(&self) -> Condition {
        self.upstream.condition()
    }
}
