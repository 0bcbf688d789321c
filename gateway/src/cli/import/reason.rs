//! Why a row is not taken, in both languages, and without anything that stands in the row.

use desmigratif_core::text::Text;
use desmigratif_proto::common::v1::ItemError;

use super::columns::{Column, column_of};

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// The column that it lies in, where it lies in one.
    pub(super) column: Option<&'static str>,
    /// Its stable name.
    pub(super) code: String,
    /// In English.
    pub(super) en: String,
    /// In Indonesian.
    pub(super) id: String,
}

impl Reason {
    /// A reason that lies in a column.
    pub(super) fn of(column: &'static str, code: &str, text: Text) -> Self {
        Self { column: Some(column), code: code.into(), en: text.en.into(), id: text.id.into() }
    }

    /// That a row is of the same person, certificate or facility as an earlier one.
    pub(super) fn repeated(earlier: usize) -> Self {
        Self {
            column: None,
            code: "ROW_REPEATED".into(),
            en: format!("is about the same as row {earlier}"),
            id: format!("mengenai hal yang sama dengan baris {earlier}"),
        }
    }

    /// What the gateway says against a row.
    pub(super) fn all(columns: &'static [Column], error: ItemError) -> Vec<Self> {
        if error.field_violations.is_empty() {
            let ItemError { reason, message_en, message_id, .. } = error;
            return vec![Self { column: None, code: reason, en: message_en, id: message_id }];
        }
        let broken = error.field_violations.into_iter().map(|broken| Self {
            column: column_of(columns, &broken.field),
            code: broken.rule,
            en: broken.message_en,
            id: broken.message_id,
        });
        broken.collect()
    }

    /// With its column, in English.
    pub(super) fn english(&self) -> String {
        self.with_column(&self.en)
    }

    /// With its column, in Indonesian.
    pub(super) fn indonesian(&self) -> String {
        self.with_column(&self.id)
    }

    fn with_column(&self, text: &str) -> String {
        self.column.map_or_else(|| text.to_owned(), |column| format!("{column}: {text}"))
    }
}
