//! Why a use case refused or failed. Knows no gRPC code: the one mapping is in `crate::fault`.

use desmigratif_core::ports::store;
use desmigratif_core::programme::PostRefused;
use desmigratif_core::record::Kind;
use desmigratif_core::stage;

use crate::access::limits::Exceeded;

/// Why a use case refused or failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no such record, or not for this caller.
    #[error("not found")]
    NotFound(Kind),
    /// The journal has no such entry, or not for this caller.
    #[error("no such entry")]
    NoSuchEntry,
    /// No entry names the certificate.
    #[error("no entry names the certificate")]
    NoSuchCertificate,
    /// The person, or the certificate number, is registered already.
    #[error("already exists")]
    AlreadyExists(Kind),
    /// The record has changed since the caller read it.
    #[error("the etag is not the record's")]
    EtagMismatch,
    /// The request id was used with another body.
    #[error("the request id was used with another body")]
    IdempotencyMismatch,
    /// The guards that refuse the stage, all of them.
    #[error("the stage is refused")]
    StageRefused(Vec<stage::Refusal>),
    /// The facility was not designated on the day of examination, or the caller has none.
    #[error("the facility was not designated on the day of examination")]
    FacilityNotDesignated,
    /// The village is not in the programme on the day that counts.
    #[error("the village is not in the programme")]
    VillageNotDesignated,
    /// The post is not to be filled, or left.
    #[error("the post is refused: {0}")]
    PostRefused(PostRefused),
    /// Agencies of the caller's kind do not report the sector.
    #[error("the sector is not the caller's to report")]
    SectorNotReported,
    /// The clearance is revoked already.
    #[error("the clearance is revoked already")]
    ClearanceRevoked,
    /// The delivery is settled already.
    #[error("the delivery is settled already")]
    DeliverySettled,
    /// There is no such delivery.
    #[error("there is no such delivery")]
    NoSuchDelivery,
    /// The agency is retired.
    #[error("the agency is retired")]
    AgencyRetired,
    /// An operator would shut itself out.
    #[error("the agency is the caller's own")]
    OwnAgency,
    /// The certificate is the agency's last one, or none of its own.
    #[error("the certificate cannot be removed")]
    CertificateNotRemovable,
    /// The gateway has no issuing authority.
    #[error("the gateway has no issuing authority")]
    IssuerAbsent,
    /// The agency has reached a limit.
    #[error("the agency has reached its limit {}", .0.limit.name())]
    Limited(Exceeded),
    /// The store cannot serve now.
    #[error("the journal is unavailable: {0}")]
    JournalUnavailable(String),
    /// A defect of ours.
    #[error("internal fault: {0}")]
    Internal(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::RequestReused => Self::IdempotencyMismatch,
            store::Error::Conflict(_) => Self::EtagMismatch,
            store::Error::DeliverySettled => Self::DeliverySettled,
            store::Error::NoSuchDelivery => Self::NoSuchDelivery,
            store::Error::Erased => Self::NotFound(Kind::Worker),
            store::Error::AliasTaken(kind) => Self::AlreadyExists(kind),
            store::Error::Unavailable(why) => Self::JournalUnavailable(why),
            store::Error::Corrupt(what) => Self::Internal(what),
        }
    }
}

impl Error {
    /// A record of a kind that its key rules out: only a corrupt store gives one.
    pub(super) fn misfiled(kind: Kind) -> Self {
        Self::Internal(format!("a record filed as {} is none", kind.as_str()))
    }
}
