//! How a broken rule is named and said: its id as protovalidate spells it, and what it asks for in
//! English and Indonesian. The texts stand after the field's name and never hold its value.

use crate::rules::{Limit, Range, Rule, Unit};

/// A rule's id and its two texts.
pub(crate) struct Wording {
    pub(crate) id: String,
    pub(crate) english: String,
    pub(crate) indonesian: String,
}

impl Wording {
    fn new(id: &str, english: impl Into<String>, indonesian: impl Into<String>) -> Self {
        Self { id: id.to_owned(), english: english.into(), indonesian: indonesian.into() }
    }
}

/// A field that must be set and is not.
pub(crate) fn required() -> Wording {
    Wording::new("required", "is required", "wajib diisi")
}

/// A oneof of which no member is set.
pub(crate) fn oneof_required(members: &[String]) -> Wording {
    let members = members.join(", ");
    Wording::new(
        "required",
        format!("needs one of: {members}"),
        format!("harus memuat salah satu dari: {members}"),
    )
}

/// An empty string where a UUID must be.
pub(crate) fn uuid_empty() -> Wording {
    Wording { id: "string.uuid_empty".to_owned(), ..of(&Rule::Uuid) }
}

/// A value that breaks `rule`.
pub(crate) fn of(rule: &Rule) -> Wording {
    match rule {
        Rule::Length(unit, limit, length) => of_length(*unit, *limit, *length),
        Rule::Pattern(pattern) => Wording::new(
            "string.pattern",
            format!("must match the pattern {pattern}"),
            format!("harus sesuai dengan pola {pattern}"),
        ),
        Rule::Uuid => Wording::new("string.uuid", "must be a UUID", "harus berupa UUID"),
        Rule::Range(range) => of_range(range),
        Rule::DefinedOnly => Wording::new(
            "enum.defined_only",
            "must be a value that the contract defines",
            "harus berupa nilai yang ditetapkan dalam kontrak",
        ),
        Rule::In(values) => Wording::new(
            "enum.in",
            format!("must be one of: {}", names(values)),
            format!("harus salah satu dari: {}", names(values)),
        ),
        Rule::NotIn(values) => Wording::new(
            "enum.not_in",
            format!("must be none of: {}", names(values)),
            format!("tidak boleh salah satu dari: {}", names(values)),
        ),
    }
}

fn of_length(unit: Unit, limit: Limit, length: u64) -> Wording {
    let (rules, rule, english_unit, indonesian_unit) = match unit {
        Unit::Characters => ("string", "len", "character", "karakter"),
        Unit::Bytes => ("bytes", "len", "byte", "bita"),
        Unit::Items => ("repeated", "items", "item", "butir"),
    };
    let plural = if length == 1 { "" } else { "s" };
    let (limit, english_limit, indonesian_limit) = match limit {
        Limit::Exactly => ("", "exactly", "tepat"),
        Limit::AtLeast => ("min_", "at least", "paling sedikit"),
        Limit::AtMost => ("max_", "at most", "paling banyak"),
    };
    Wording::new(
        &format!("{rules}.{limit}{rule}"),
        format!("must have {english_limit} {length} {english_unit}{plural}"),
        format!("harus memuat {indonesian_limit} {length} {indonesian_unit}"),
    )
}

fn of_range(range: &Range) -> Wording {
    let (mut ids, mut english, mut indonesian) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(bound) = &range.lower {
        let (id, en, indonesia) = match bound.inclusive {
            true => ("gte", "at least", "paling kecil"),
            false => ("gt", "greater than", "lebih besar dari"),
        };
        ids.push(id);
        english.push(format!("{en} {}", bound.number));
        indonesian.push(format!("{indonesia} {}", bound.number));
    }
    if let Some(bound) = &range.upper {
        let (id, en, indonesia) = match bound.inclusive {
            true => ("lte", "at most", "paling besar"),
            false => ("lt", "less than", "lebih kecil dari"),
        };
        ids.push(id);
        english.push(format!("{en} {}", bound.number));
        indonesian.push(format!("{indonesia} {}", bound.number));
    }
    Wording::new(
        &format!("{}.{}", range.type_name, ids.join("_")),
        format!("must be {}", english.join(" and ")),
        format!("harus {}", indonesian.join(" dan ")),
    )
}

fn names(values: &[(i32, String)]) -> String {
    values.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ")
}
