//! `desmigratif agencies`: who is registered, with which certificates, and whether it may call.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use desmigratif_core::access::{AgencyKind, Purpose};
use desmigratif_proto::admin::v1::{
    ActivateAgencyRequest, Agency, CreateAgencyRequest, IssueCertificateRequest,
    ListAgenciesRequest, RegisterCertificateRequest, RemoveCertificateRequest, RetireAgencyRequest,
    SuspendAgencyRequest,
};
use desmigratif_proto::common::v1 as common;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::Operator;
use super::profile::{Profile, refused};
use super::show::{self, Row, cell, span};
use crate::cli::{Failure, say};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgenciesVerb {
    /// List the registered agencies
    List {
        #[command(flatten)]
        operator: Operator,
    },
    /// Register an agency, active at once
    Create {
        /// Its id, as its certificates will have it
        id: String,
        /// What sort of organisation it is
        #[arg(long, value_parser = AgencyKind::ALL.map(AgencyKind::as_str))]
        kind: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// A purpose that it may call for; again for each
        #[arg(long, value_parser = Purpose::ALL.map(Purpose::as_str))]
        purpose: Vec<String>,
        /// The region that a regional office serves
        #[arg(long, default_value = "")]
        region: String,
        /// The facility that a clinic submits for
        #[arg(long, default_value = "")]
        facility: String,
        #[command(flatten)]
        operator: Operator,
    },
    /// Refuse an agency's calls until it is activated again
    Suspend {
        /// The agency
        id: String,
        #[command(flatten)]
        operator: Operator,
    },
    /// Let a suspended agency call again
    Activate {
        /// The agency
        id: String,
        #[command(flatten)]
        operator: Operator,
    },
    /// Refuse an agency's calls for good
    Retire {
        /// The agency
        id: String,
        #[command(flatten)]
        operator: Operator,
    },
    /// Issue a certificate for an agency's signing request, and register it
    IssueCertificate {
        /// The agency
        id: String,
        /// The signing request (PEM): `openssl req -new -key KEY -subj /CN=ID`
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// Where the certificate goes (PEM)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        operator: Operator,
    },
    /// Register a certificate that another authority of the exchange has issued
    RegisterCertificate {
        /// The agency
        id: String,
        /// The certificate (PEM)
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        #[command(flatten)]
        operator: Operator,
    },
    /// Accept a registered certificate no longer
    RemoveCertificate {
        /// The agency
        id: String,
        /// SHA-256 of the certificate, as `list -o json` shows it
        #[arg(long, value_name = "HEX")]
        sha256: String,
        #[command(flatten)]
        operator: Operator,
    },
}

/// Calls a method with a request that has a new id, and says what was done.
macro_rules! call {
    ($operator:expr, $method:ident, $request:expr, $($done:tt)*) => {{
        let mut client = Profile::read(&$operator.profile)?.agencies().await?;
        let answer = client.$method($request).await.map_err(refused)?.into_inner();
        say(format_args!($($done)*))?;
        answer
    }};
}

impl AgenciesVerb {
    /// Does what the verb says.
    pub(in crate::cli) async fn run(self) -> Result<(), Failure> {
        let request_id = Uuid::now_v7().to_string();
        match self {
            Self::List { operator } => return list(&operator).await,
            Self::Create { id, kind, name, purpose, region, facility, operator } => {
                let agency = Agency {
                    agency_id: id.clone(),
                    kind: number("AGENCY_KIND", &kind, common::AgencyKind::from_str_name),
                    name,
                    purposes: purpose
                        .iter()
                        .map(|it| number("PURPOSE", it, common::Purpose::from_str_name))
                        .collect(),
                    region_code: region,
                    facility_id: facility,
                    ..Agency::default()
                };
                let request = CreateAgencyRequest { request_id, agency: Some(agency) };
                call!(operator, create_agency, request, "{id} is registered");
            }
            Self::Suspend { id, operator } => {
                let request = SuspendAgencyRequest { request_id, agency_id: id.clone() };
                call!(operator, suspend_agency, request, "{id} is suspended");
            }
            Self::Activate { id, operator } => {
                let request = ActivateAgencyRequest { request_id, agency_id: id.clone() };
                call!(operator, activate_agency, request, "{id} is active");
            }
            Self::Retire { id, operator } => {
                let request = RetireAgencyRequest { request_id, agency_id: id.clone() };
                call!(operator, retire_agency, request, "{id} is retired");
            }
            Self::IssueCertificate { id, request, out, operator } => {
                let request = IssueCertificateRequest {
                    request_id,
                    agency_id: id.clone(),
                    signing_request_pem: read(&request)?,
                };
                let shown = out.display();
                let answer =
                    call!(operator, issue_certificate, request, "{id} has a certificate: {shown}");
                std::fs::write(&out, answer.certificate_pem)
                    .map_err(|error| Failure::of(&format!("cannot write {shown}"), error))?;
            }
            Self::RegisterCertificate { id, certificate, operator } => {
                let request = RegisterCertificateRequest {
                    request_id,
                    agency_id: id.clone(),
                    certificate_pem: read(&certificate)?,
                };
                call!(operator, register_certificate, request, "{id} has another certificate");
            }
            Self::RemoveCertificate { id, sha256, operator } => {
                let request = RemoveCertificateRequest {
                    request_id,
                    agency_id: id.clone(),
                    certificate_sha256: sha256,
                };
                call!(operator, remove_certificate, request, "the certificate of {id} is removed");
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::of(&format!("cannot read {}", path.display()), error))
}

/// The number of a value that the contract names in capitals behind a prefix.
fn number<E: Into<i32>>(prefix: &str, name: &str, find: fn(&str) -> Option<E>) -> i32 {
    let name = format!("{prefix}_{}", name.to_uppercase().replace('-', "_"));
    find(&name).map_or(0, Into::into)
}

async fn list(operator: &Operator) -> Result<(), Failure> {
    let mut client = Profile::read(&operator.profile)?.agencies().await?;
    let mut rows: Vec<Shown> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAgenciesRequest { page_size: 500, page_token };
        let answer = client.list_agencies(request).await.map_err(refused)?.into_inner();
        rows.extend(answer.agencies.iter().map(Shown::of));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return show::show(operator.output, &rows);
        }
    }
}

/// An agency as it is shown.
#[derive(Serialize)]
struct Shown {
    id: String,
    kind: String,
    status: String,
    name: String,
    purposes: Vec<String>,
    region: Option<String>,
    facility: Option<String>,
    certificates: Vec<ShownCertificate>,
}

/// A certificate as it is shown.
#[derive(Serialize)]
struct ShownCertificate {
    sha256: String,
    expires_at: Option<Timestamp>,
}

impl Shown {
    fn of(agency: &Agency) -> Self {
        let plain = |name: &str, prefix: &str| {
            name.trim_start_matches(prefix).to_lowercase().replace('_', "-")
        };
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            id: agency.agency_id.clone(),
            kind: plain(agency.kind().as_str_name(), "AGENCY_KIND_"),
            status: plain(agency.status().as_str_name(), "AGENCY_STATUS_"),
            name: agency.name.clone(),
            purposes: agency.purposes().map(|it| plain(it.as_str_name(), "PURPOSE_")).collect(),
            region: some(&agency.region_code),
            facility: some(&agency.facility_id),
            certificates: agency
                .certificates
                .iter()
                .map(|it| ShownCertificate {
                    sha256: it.sha256.clone(),
                    expires_at: show::time(it.expires_at),
                })
                .collect(),
        }
    }
}

impl Row for Shown {
    const HEADINGS: &'static [&'static str] =
        &["ID", "KIND", "STATUS", "REGION", "FACILITY", "CERTIFICATES", "LAST EXPIRES", "NAME"];

    fn cells(&self) -> Vec<String> {
        let last = self.certificates.iter().filter_map(|it| it.expires_at).max();
        let registered = match self.certificates.len() {
            0 => "any".to_owned(),
            count => count.to_string(),
        };
        vec![
            self.id.clone(),
            self.kind.clone(),
            self.status.clone(),
            cell(self.region.as_ref()),
            cell(self.facility.as_ref()),
            registered,
            span(last, Timestamp::now()),
            self.name.clone(),
        ]
    }
}
