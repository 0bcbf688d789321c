//! The validation rules of a field, read from its `buf.validate.field` option.
//!
//! Reading refuses what could not be enforced as written: a rule that does not fit the field's
//! type, bounds that nothing can meet, a pattern that another engine would read otherwise.

use std::fmt;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

/// The rules of one field.
#[derive(Default)]
pub(crate) struct FieldRules {
    /// The field must be set.
    pub(crate) required: bool,
    /// A zero or empty value breaks no rule.
    pub(crate) ignore_zero: bool,
    /// Rules of the value; of the list itself when the field is repeated.
    pub(crate) own: Vec<Rule>,
    /// Rules of each item of a repeated field.
    pub(crate) items: Vec<Rule>,
}

impl FieldRules {
    /// Whether there is nothing to enforce.
    pub(crate) fn is_empty(&self) -> bool {
        !self.required && self.own.is_empty() && self.items.is_empty()
    }
}

/// One rule of a value.
pub(crate) enum Rule {
    /// How long the value must be.
    Length(Unit, Limit, u64),
    /// A regular expression that must be found in the string.
    Pattern(String),
    /// The string must be a UUID.
    Uuid,
    /// The number must lie within bounds.
    Range(Range),
    /// The enum's value must be one that the contract defines.
    DefinedOnly,
    /// The enum's value must be one of these: number and name.
    In(Vec<(i32, String)>),
    /// The enum's value must be none of these: number and name.
    NotIn(Vec<(i32, String)>),
}

/// What a length counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Characters,
    Bytes,
    Items,
}

/// Which side of a length is limited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Exactly,
    AtLeast,
    AtMost,
}

/// Bounds of a number; at least one is there.
pub(crate) struct Range {
    /// The proto type, which begins the rule's id: "double".
    pub(crate) type_name: &'static str,
    pub(crate) lower: Option<Bound>,
    pub(crate) upper: Option<Bound>,
}

/// One bound of a number.
pub(crate) struct Bound {
    /// Whether the bound itself is allowed.
    pub(crate) inclusive: bool,
    pub(crate) number: Number,
}

/// A number of any type that has rules.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}

/// Reads the rules of `field`. The error says what is wrong, to stand after the field's name.
pub(crate) fn read(field: &FieldDescriptor, option: &DynamicMessage) -> Result<FieldRules, String> {
    let mut rules = FieldRules::default();
    for (rule, value) in option.fields() {
        match (rule.name(), value) {
            ("required", value) => rules.required = value.as_bool() == Some(true),
            ("ignore", value) => rules.ignore_zero = value.as_enum_number() == Some(1),
            ("repeated", Value::Message(of_list)) if field.is_list() => {
                read_list(field, of_list, &mut rules)?;
            }
            (name, Value::Message(of_value)) if !field.is_list() && fits(name, field) => {
                rules.own = read_value(&field.kind(), of_value)?;
            }
            (name, _) => return Err(format!("has `{name}` rules, which do not fit its type")),
        }
    }
    if rules.required && crate::schema::oneof_of(field).is_some() {
        return Err("is a member of a oneof: put `required` on the oneof".to_owned());
    }
    if rules.required && field.is_list() && rules.ignore_zero {
        return Err("is `required` and ignored when empty".to_owned());
    }
    Ok(rules)
}

/// Whether rules called `name` are for values of `field`'s type.
fn fits(name: &str, field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::Double => name == "double",
        Kind::Int32 => name == "int32",
        Kind::Int64 => name == "int64",
        Kind::Uint32 => name == "uint32",
        Kind::Uint64 => name == "uint64",
        Kind::String => name == "string",
        Kind::Bytes => name == "bytes",
        Kind::Enum(_) => name == "enum",
        _ => false,
    }
}

fn read_list(
    field: &FieldDescriptor,
    option: &DynamicMessage,
    rules: &mut FieldRules,
) -> Result<(), String> {
    for (rule, value) in option.fields() {
        match (rule.name(), value) {
            ("min_items", value) => rules.own.push(length(Unit::Items, Limit::AtLeast, value)),
            ("max_items", value) => rules.own.push(length(Unit::Items, Limit::AtMost, value)),
            ("items", Value::Message(items)) => {
                for (name, value) in items.fields() {
                    match value {
                        Value::Message(of_item) if fits(name.name(), field) => {
                            rules.items = read_value(&field.kind(), of_item)?;
                        }
                        _ => return Err(format!("has `{}` on its items", name.name())),
                    }
                }
            }
            (name, _) => return Err(format!("has the unknown list rule `{name}`")),
        }
    }
    check_lengths(&rules.own)
}

fn read_value(kind: &Kind, option: &DynamicMessage) -> Result<Vec<Rule>, String> {
    let rules = match kind {
        Kind::String => read_string(option)?,
        Kind::Bytes => read_bytes(option)?,
        Kind::Enum(_) => read_enum(kind, option)?,
        _ => vec![Rule::Range(read_range(kind, option)?)],
    };
    check_lengths(&rules)?;
    Ok(rules)
}

fn read_string(option: &DynamicMessage) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for (rule, value) in option.fields() {
        rules.push(match (rule.name(), value) {
            ("len", value) => length(Unit::Characters, Limit::Exactly, value),
            ("min_len", value) => length(Unit::Characters, Limit::AtLeast, value),
            ("max_len", value) => length(Unit::Characters, Limit::AtMost, value),
            ("pattern", Value::String(pattern)) => Rule::Pattern(check_pattern(pattern)?),
            ("uuid", Value::Bool(true)) => Rule::Uuid,
            (name, _) => return Err(format!("has the string rule `{name}`, which means nothing")),
        });
    }
    Ok(rules)
}

fn read_bytes(option: &DynamicMessage) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for (rule, value) in option.fields() {
        rules.push(match rule.name() {
            "len" => length(Unit::Bytes, Limit::Exactly, value),
            "min_len" => length(Unit::Bytes, Limit::AtLeast, value),
            "max_len" => length(Unit::Bytes, Limit::AtMost, value),
            name => return Err(format!("has the unknown bytes rule `{name}`")),
        });
    }
    Ok(rules)
}

fn read_enum(kind: &Kind, option: &DynamicMessage) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for (rule, value) in option.fields() {
        rules.push(match (rule.name(), value) {
            ("defined_only", Value::Bool(true)) => Rule::DefinedOnly,
            ("in", value) => Rule::In(enum_values(kind, value)?),
            ("not_in", value) => Rule::NotIn(enum_values(kind, value)?),
            (name, _) => return Err(format!("has the enum rule `{name}`, which means nothing")),
        });
    }
    Ok(rules)
}

fn enum_values(kind: &Kind, list: &Value) -> Result<Vec<(i32, String)>, String> {
    let of_enum = kind.as_enum().expect("enum rules fit only enums");
    let numbers = list.as_list().unwrap_or_default().iter().filter_map(Value::as_i32);
    numbers
        .map(|number| match of_enum.get_value(number) {
            Some(value) => Ok((number, value.name().to_owned())),
            None => Err(format!("names {number}, which {} does not define", of_enum.name())),
        })
        .collect()
}

fn read_range(kind: &Kind, option: &DynamicMessage) -> Result<Range, String> {
    let type_name = match kind {
        Kind::Double => "double",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        _ => "uint64",
    };
    let mut range = Range { type_name, lower: None, upper: None };
    for (rule, value) in option.fields() {
        let number = match value {
            Value::F64(number) => Number::Float(*number),
            Value::I32(number) => Number::Signed((*number).into()),
            Value::I64(number) => Number::Signed(*number),
            Value::U32(number) => Number::Unsigned((*number).into()),
            Value::U64(number) => Number::Unsigned(*number),
            _ => return Err(format!("has the unknown number rule `{}`", rule.name())),
        };
        let bound = Bound { inclusive: rule.name().ends_with('e'), number };
        match rule.name() {
            "gt" | "gte" => range.lower = Some(bound),
            _ => range.upper = Some(bound),
        }
    }
    match (&range.lower, &range.upper) {
        (None, None) => Err(format!("has empty `{type_name}` rules")),
        // protovalidate reads an upper bound below the lower one as "outside"; nothing here
        // needs that, and it looks like a slip.
        (Some(lower), Some(upper)) if upper.number < lower.number => {
            Err(format!("has an upper bound {} below its lower {}", upper.number, lower.number))
        }
        _ => Ok(range),
    }
}

fn length(unit: Unit, limit: Limit, value: &Value) -> Rule {
    Rule::Length(unit, limit, value.as_u64().expect("the schema declares lengths as uint64"))
}

fn check_lengths(rules: &[Rule]) -> Result<(), String> {
    let of = |wanted| {
        rules.iter().find_map(|rule| match rule {
            Rule::Length(_, limit, length) if *limit == wanted => Some(*length),
            _ => None,
        })
    };
    match (of(Limit::AtLeast), of(Limit::AtMost)) {
        (Some(least), Some(most)) if least > most => {
            Err(format!("has a least length {least} above its greatest {most}"))
        }
        _ => Ok(()),
    }
}

/// Refuses a pattern that does not compile, or that RE2 and the regex crate read differently.
fn check_pattern(pattern: &str) -> Result<String, String> {
    regex::Regex::new(pattern).map_err(|error| format!("has a bad pattern: {error}"))?;
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            continue;
        }
        if let Some(class @ ('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'b' | 'B')) = characters.next() {
            return Err(format!(
                "has \\{class} in its pattern, which is ASCII in some engines and Unicode in \
                 others: write the characters out, [0-9]"
            ));
        }
    }
    Ok(pattern.to_owned())
}
