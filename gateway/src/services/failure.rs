//! Why a method fails, and the one place where that becomes a gRPC status.

use std::time::Duration;

use desmigratif_core::record::Kind;
use desmigratif_proto::Violations;
use desmigratif_proto::common::v1::{ErrorReason, FieldViolation, ItemError};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::exchange::Error;
use crate::fault::{Fault, fault, internal};

/// After how long a caller should try again when the journal cannot be written.
const JOURNAL_RETRY: Duration = Duration::from_secs(2);

/// Bytes of texts of violations in one status.
const VIOLATION_BYTES: usize = 4_000;

/// Why a method fails.
#[derive(Debug)]
pub enum Failure {
    /// The request breaks rules.
    Invalid(Violations),
    /// No table from BPS codes is loaded.
    BpsTableAbsent,
    /// There is no such place.
    NoSuchPlace,
    /// The cursor lies beyond the end of the journal.
    CursorBeyondJournal,
    /// The use case refused or failed.
    Exchange(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Exchange(error)
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        into_fault(failure).into_status()
    }
}

impl Failure {
    /// The failure of one item of a stream.
    pub(super) fn into_item_error(self) -> ItemError {
        let violations = match &self {
            Self::Invalid(violations) => violations
                .iter()
                .map(|violation| FieldViolation {
                    field: violation.field.clone(),
                    rule: violation.rule.into(),
                    message_en: violation.message_en.into(),
                    message_id: violation.message_id.into(),
                })
                .collect(),
            _ => Vec::new(),
        };
        let status = Status::from(self);
        let details = status.get_error_details_vec();
        let mut error = ItemError {
            code: status.code().into(),
            message_en: status.message().to_owned(),
            field_violations: violations,
            ..ItemError::default()
        };
        for detail in details {
            match detail {
                tonic_types::ErrorDetail::ErrorInfo(info) => error.reason = info.reason,
                tonic_types::ErrorDetail::LocalizedMessage(text) if text.locale == "id" => {
                    error.message_id = text.message;
                }
                _ => {}
            }
        }
        error
    }
}

fn into_fault(failure: Failure) -> Fault {
    match failure {
        Failure::Invalid(violations) => invalid(&violations),
        Failure::BpsTableAbsent => fault(
            Code::FailedPrecondition,
            ErrorReason::BpsTableAbsent,
            "the gateway has no table of BPS codes and does not guess; send a Kemendagri code",
            "gateway tidak memiliki tabel kode BPS dan tidak menebak; kirimkan kode Kemendagri",
        ),
        Failure::NoSuchPlace => fault(
            Code::NotFound,
            ErrorReason::NotFound,
            "no place has this code in the decree in force; a retired code can be resolved with ResolveCode",
            "tidak ada wilayah dengan kode ini dalam keputusan yang berlaku; kode lama dapat dicari dengan ResolveCode",
        ),
        Failure::CursorBeyondJournal => fault(
            Code::FailedPrecondition,
            ErrorReason::CursorBeyondJournal,
            "the cursor lies beyond the end of the journal, which was restored from an older backup; ask the operators",
            "kursor melampaui akhir jurnal, yang dipulihkan dari cadangan lama; hubungi pengelola",
        ),
        Failure::Exchange(error) => exchange(error),
    }
}

/// The refusal for broken rules. All of them, unless they are so many that clients would refuse
/// the trailers (most take 8 KiB): then the first, and how many more there are.
fn invalid(violations: &Violations) -> Fault {
    let mut room = VIOLATION_BYTES;
    let shown: Vec<_> = violations
        .iter()
        .take_while(|violation| {
            let size =
                violation.field.len() + violation.message_en.len() + violation.message_id.len();
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        })
        .collect();
    let more = violations.iter().len() - shown.len() + violations.omitted();
    let (mut en, mut id) = (
        "one or more fields break their rules; see the field violations".to_owned(),
        "satu atau lebih isian melanggar aturan; lihat rincian isian".to_owned(),
    );
    if more > 0 {
        en.push_str(&format!(" ({more} more are not listed)"));
        id.push_str(&format!(" ({more} lainnya tidak dirinci)"));
    }
    let base = fault(Code::InvalidArgument, ErrorReason::FieldsInvalid, en, id);
    shown.into_iter().fold(base, |fault, violation| {
        fault.violation(
            violation.field.as_str(),
            violation.rule,
            violation.message_en,
            violation.message_id,
        )
    })
}

fn exchange(error: Error) -> Fault {
    match error {
        Error::NotFound(kind) => {
            let (en, id) = match kind {
                Kind::Worker => {
                    ("no such worker, or not for you", "pekerja tidak ada, atau bukan untuk Anda")
                }
                Kind::Clearance => (
                    "no such clearance, or not for you",
                    "surat keterangan sehat tidak ada, atau bukan untuk Anda",
                ),
                Kind::Facility => ("no such facility", "fasilitas kesehatan tidak ada"),
                Kind::Agency => ("no such agency", "instansi tidak ada"),
                Kind::Designation => (
                    "no such village or region in the programme, or not for you",
                    "desa atau wilayah tidak ada dalam program, atau bukan untuk Anda",
                ),
                Kind::Officer => {
                    ("no such officer, or not for you", "petugas tidak ada, atau bukan untuk Anda")
                }
                Kind::FamilyMember => (
                    "a child is none of the worker's family",
                    "anak yang disebut bukan anggota keluarga pekerja",
                ),
                _ => ("no such record, or not for you", "data tidak ada, atau bukan untuk Anda"),
            };
            fault(Code::NotFound, ErrorReason::NotFound, en, id)
        }
        Error::NoSuchEntry => fault(
            Code::NotFound,
            ErrorReason::NotFound,
            "the journal has no such entry, or not for you",
            "jurnal tidak memiliki entri ini, atau bukan untuk Anda",
        ),
        Error::NoSuchCertificate => fault(
            Code::NotFound,
            ErrorReason::NotFound,
            "no entry of the journal names this certificate",
            "tidak ada entri jurnal yang menyebut sertifikat ini",
        ),
        Error::AlreadyExists(kind) => {
            let (en, id) = match kind {
                Kind::Worker => (
                    "the person is registered already; look the worker up by NIK",
                    "orang ini sudah terdaftar; cari pekerja menurut NIK",
                ),
                Kind::Clearance => (
                    "the facility has submitted this certificate number already",
                    "fasilitas sudah mengirim nomor sertifikat ini",
                ),
                Kind::Designation => {
                    ("the village is in the programme already", "desa sudah dalam program")
                }
                _ => ("the record exists already", "data sudah ada"),
            };
            fault(Code::AlreadyExists, ErrorReason::AlreadyExists, en, id)
        }
        Error::AgencyRetired => fault(
            Code::FailedPrecondition,
            ErrorReason::AgencyRetired,
            "the agency is retired for good; register another",
            "instansi sudah diberhentikan untuk seterusnya; daftarkan yang lain",
        ),
        Error::OwnAgency => fault(
            Code::FailedPrecondition,
            ErrorReason::OwnAgency,
            "an operator cannot shut itself out; ask another operator",
            "pengelola tidak dapat menutup aksesnya sendiri; minta pengelola lain",
        ),
        Error::CertificateNotRemovable => fault(
            Code::FailedPrecondition,
            ErrorReason::CertificateNotRemovable,
            "the certificate is none of the agency's, or its last one: suspend the agency instead",
            "sertifikat itu bukan milik instansi, atau yang terakhir: tangguhkan instansinya",
        ),
        Error::IssuerAbsent => fault(
            Code::FailedPrecondition,
            ErrorReason::IssuerAbsent,
            "the gateway has no issuing authority; sign elsewhere, then register the certificate",
            "gateway tidak memiliki otoritas penerbit; tanda tangani di tempat lain, lalu daftarkan",
        ),
        Error::DeliverySettled => fault(
            Code::FailedPrecondition,
            ErrorReason::DeliverySettled,
            "the delivery is settled already",
            "pengiriman itu sudah selesai",
        ),
        Error::NoSuchDelivery => fault(
            Code::NotFound,
            ErrorReason::NotFound,
            "there is no such delivery",
            "pengiriman itu tidak ada",
        ),
        Error::EtagMismatch => fault(
            Code::Aborted,
            ErrorReason::EtagMismatch,
            "the record has changed since its etag was read; read it again, then retry",
            "data telah berubah sejak etag dibaca; baca kembali lalu ulangi",
        ),
        Error::IdempotencyMismatch => fault(
            Code::Aborted,
            ErrorReason::IdempotencyMismatch,
            "this request_id came with another body before; use a new request_id for a new request",
            "request_id ini pernah dikirim dengan isi lain; gunakan request_id baru untuk permintaan baru",
        ),
        Error::StageRefused(refusals) => {
            let base = fault(
                Code::FailedPrecondition,
                ErrorReason::StageRefused,
                "the stage cannot be entered now; see the failed preconditions",
                "tahap belum dapat dimasuki; lihat syarat yang belum terpenuhi",
            );
            refusals.iter().fold(base, |fault, refusal| {
                let text = refusal.text();
                let both = format!("{} / {}", text.en, text.id);
                fault.precondition(refusal.reason(), "worker", both)
            })
        }
        Error::FacilityNotDesignated => fault(
            Code::FailedPrecondition,
            ErrorReason::FacilityNotDesignated,
            "your facility was not designated on the day of examination",
            "fasilitas Anda tidak ditunjuk pada hari pemeriksaan",
        ),
        Error::VillageNotDesignated => fault(
            Code::FailedPrecondition,
            ErrorReason::VillageNotDesignated,
            "the village is not in the programme on that day; designate it first",
            "desa belum atau tidak lagi dalam program pada hari itu; tetapkan dahulu",
        ),
        Error::PostRefused(why) => {
            let text = why.text();
            let both = format!("{} / {}", text.en, text.id);
            fault(
                Code::FailedPrecondition,
                ErrorReason::PostRefused,
                "the post cannot be filled or left so; see the failed preconditions",
                "penugasan ditolak; lihat syarat yang belum terpenuhi",
            )
            .precondition(why.reason(), "officer", both)
        }
        Error::SectorNotReported => fault(
            Code::PermissionDenied,
            ErrorReason::SectorNotReported,
            "agencies of your kind do not report this sector; ListSectors says who does",
            "instansi Anda tidak melaporkan sektor ini; lihat ListSectors",
        ),
        Error::ClearanceRevoked => fault(
            Code::FailedPrecondition,
            ErrorReason::ClearanceRevoked,
            "the clearance is revoked already",
            "surat keterangan sehat sudah dicabut",
        ),
        Error::Limited(exceeded) => exceeded.into(),
        Error::JournalUnavailable(why) => {
            tracing::error!(why, "journal unavailable");
            fault(
                Code::Unavailable,
                ErrorReason::JournalUnavailable,
                "the journal cannot be written now; retry with the same request_id",
                "jurnal belum dapat ditulis; ulangi dengan request_id yang sama",
            )
            .retry_after(JOURNAL_RETRY)
        }
        Error::Internal(what) => {
            tracing::error!(what, "internal fault");
            internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::reason_name;

    #[test]
    fn an_item_error_says_what_a_call_of_its_own_would() {
        let error = Failure::from(Error::IdempotencyMismatch).into_item_error();
        assert_eq!(error.code, i32::from(Code::Aborted));
        assert_eq!(error.reason, reason_name(ErrorReason::IdempotencyMismatch));
        assert!(error.message_en.contains("request_id") && error.message_id.contains("permintaan"));
    }

    #[test]
    fn what_failed_inside_stays_inside() {
        let status = Status::from(Failure::from(Error::Internal("secret place".into())));
        assert_eq!(status.code(), Code::Internal);
        assert!(!format!("{status:?}").contains("secret"));
    }

    #[test]
    fn a_status_of_many_violations_stays_small_and_says_how_many_there_are() {
        let mut violations = Violations::default();
        for index in 0..1_000 {
            let root = desmigratif_proto::Path::ROOT;
            violations.add(
                root.item("codes", index),
                "string.pattern",
                "must match",
                "harus sesuai",
            );
        }
        let status = Status::from(Failure::Invalid(violations));
        let listed = status.get_details_bad_request().unwrap().field_violations.len();
        assert!(listed > 20, "{listed}");
        assert!(status.details().len() < 12_000, "{}", status.details().len());
        assert!(status.message().contains(&format!("({} more", 1_000 - listed)));
    }
}
