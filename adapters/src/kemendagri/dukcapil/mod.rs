//! Dukcapil's verification by element (`CALL_VERIFY_BY_ELEMEN`), as its public clients show it.
//!
//! A claim goes out by its elements, and comes back as agreement of each. The register's own
//! values are not asked for. It takes no deliveries.
//!
//! - A village is compared by the number of each level; it agrees when all four do.
//! - A birth date is compared only when the claimed one is whole. The service compares whole dates
//!   and would turn every placeholder into a disagreement, so a date of which only the month or
//!   the year is known is not sent, and not among the elements of the answer. A claim of nothing
//!   else is refused.

mod answer;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use desmigratif_core::access::AgencyKind;
use desmigratif_core::birth::Precision;
use desmigratif_core::identity::{Check, Claim, Element, Sex};
use desmigratif_core::name::PersonName;
use desmigratif_core::nik::Nik;
use desmigratif_core::ports::clock::Clock;
use desmigratif_core::ports::ministry::{
    Answer, Condition, Fault, FaultKind, Ministry, Parcel, Question, Retry,
};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use answer::{Asked, Envelope};

use crate::config::{ConnectError, Secret, resolve};
use crate::upstream::http::{Http, Reply};
use crate::upstream::{self, Upstream};

/// The numbers of a village, by level, and where they are in its code.
const LEVELS: [(&str, std::ops::Range<usize>); 4] =
    [("NO_PROP", 0..2), ("NO_KAB", 2..4), ("NO_KEC", 4..6), ("NO_KEL", 6..10)];

/// The NIK of nobody, for a probe: no region has the code 99.
const NOBODY: &str = "9999990101700001";

/// How the exchange reaches Dukcapil.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service's whole URL, the agency's own part of the path included.
    pub url: Url,
    /// PEM file of the CA that alone is trusted; without it the system's CAs are.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Where the USER_ID is that Dukcapil gave to the exchange.
    pub user_id: Secret,
    /// Where its PASSWORD is.
    pub password: Secret,
    /// The IP_USER: the address that Dukcapil has registered for the exchange.
    pub ip_user: String,
    /// The least likeness at which names and places agree, 1 to 100.
    #[serde(default = "default_threshold")]
    pub threshold: u8,
    /// How calls are limited and repeated.
    #[serde(default)]
    pub upstream: upstream::Settings,
}

const fn default_threshold() -> u8 {
    90
}

impl Settings {
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Some(ca) = &mut self.ca {
            resolve(ca, folder);
        }
        self.user_id.resolve(folder);
        self.password.resolve(folder);
    }
}

/// The population register, through Dukcapil's service.
pub(crate) struct Dukcapil {
    http: Http,
    upstream: Upstream,
    clock: Arc<dyn Clock>,
    user_id: SecretString,
    password: SecretString,
    ip_user: String,
    threshold: u8,
}

impl Dukcapil {
    pub(crate) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        if !(1..=100).contains(&settings.threshold) {
            return Err(ConnectError::Setting { name: "threshold", rule: "between 1 and 100" });
        }
        Ok(Self {
            http: Http::new(&settings.upstream, &settings.url, settings.ca.as_deref())?,
            upstream: Upstream::new(AgencyKind::Kemendagri, &settings.upstream, Arc::clone(&clock)),
            clock,
            user_id: settings.user_id.read()?,
            password: settings.password.read()?,
            ip_user: settings.ip_user.clone(),
            threshold: settings.threshold,
        })
    }

    async fn check(&self, nik: &Nik, claim: &Claim, deadline: Instant) -> Result<Check, Fault> {
        let (fields, elements) = elements(claim);
        if elements.is_empty() {
            let what = "nothing is claimed that Dukcapil compares";
            return Err(Fault::new(FaultKind::Rejected, Retry::Never, what));
        }
        let mut request = fields;
        for (field, value) in [
            ("NIK", nik.expose()),
            ("USER_ID", self.user_id.expose_secret()),
            ("PASSWORD", self.password.expose_secret()),
            ("IP_USER", &self.ip_user),
            // Spelt so.
            ("TRESHOLD", &self.threshold.to_string()),
        ] {
            request.insert(field.to_owned(), value.into());
        }
        let asked = Asked { nik, elements: &elements, threshold: self.threshold };
        let (asked, request) = (&asked, &request);
        self.upstream
            .call(deadline, async |until| {
                let request = self.http.request(Method::POST, "").json(request);
                let reply = self.http.send(request, until).await?;
                read(&reply, asked, self.clock.until_tomorrow())
            })
            .await
    }
}

#[async_trait]
impl Ministry for Dukcapil {
    async fn lookup(&self, question: &Question, deadline: Instant) -> Result<Answer, Fault> {
        match question {
            Question::Identity { nik, claim } => {
                self.check(nik, claim, deadline).await.map(Answer::Identity)
            }
            Question::Workforce { .. }
            | Question::Facilities { .. }
            | Question::VillageIndex { .. } => {
                Err(Fault::unsupported("Dukcapil answers checks of identity only"))
            }
        }
    }

    async fn deliver(&self, _: &Parcel, _: Instant) -> Result<(), Fault> {
        Err(Fault::unsupported("Dukcapil takes no deliveries"))
    }

    /// Asks for a NIK that nobody has: the service has no call that does less, so this may cost
    /// one of the day's quota.
    async fn probe(&self, deadline: Instant) -> Result<(), Fault> {
        let nik = Nik::parse(NOBODY).expect("it has the form of a NIK");
        let name = PersonName::parse("CONTOH").expect("it is a name");
        let claim = Claim { name: Some(name), ..Claim::default() };
        match self.check(&nik, &claim, deadline).await {
            // It may say that such a NIK cannot be: an answer to the exchange all the same.
            Err(fault) if fault.kind == FaultKind::Rejected => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn condition(&self) -> Condition {
        self.upstream.condition()
    }
}

/// Reads an answer. `new_quota` is how long it is until the quota is renewed.
fn read(reply: &Reply, asked: &Asked<'_>, new_quota: Duration) -> Result<Check, Fault> {
    if !reply.status.is_success() {
        return Err(reply.fault());
    }
    reply.json::<Envelope>()?.read(asked, new_quota)
}

/// A claim as the service's fields, and the elements that these are of.
fn elements(claim: &Claim) -> (Map<String, Value>, Vec<Element>) {
    let mut fields = Map::new();
    let mut elements = Vec::new();
    if let Some(village) = claim.village {
        let digits = village.digits();
        for (field, at) in LEVELS {
            // Numbers, not digits: 4 for "04".
            let number = digits[at].parse::<u32>().expect("a code is ten digits");
            fields.insert(field.to_owned(), number.into());
        }
        elements.push(Element::Village);
    }
    let name = |name: &Option<PersonName>| name.as_ref().map(|name| name.expose().to_owned());
    let birth = claim.birth.filter(|birth| birth.precision() == Precision::Day);
    let sex = claim.sex.map(|sex| match sex {
        Sex::Male => "Laki-Laki".to_owned(),
        Sex::Female => "Perempuan".to_owned(),
    });
    for (element, field, value) in [
        (Element::Name, "NAMA_LGKP", name(&claim.name)),
        (
            Element::BirthDate,
            "TGL_LHR",
            birth.map(|birth| birth.expose().strftime("%d-%m-%Y").to_string()),
        ),
        (Element::BirthPlace, "TMPT_LHR", claim.birth_place.clone()),
        (Element::Sex, "JENIS_KLMIN", sex),
        (Element::MotherName, "NAMA_LGKP_IBU", name(&claim.mother_name)),
    ] {
        if let Some(value) = value {
            fields.insert(field.to_owned(), value.into());
            elements.push(element);
        }
    }
    elements.sort();
    (fields, elements)
}
