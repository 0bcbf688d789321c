//! Generates `impl Validate` for every message from the rules on its fields.
//!
//! Semantics are protovalidate's: a field that tracks presence and is not set breaks no rule but
//! `required`; every other field is checked also when empty; of a field that is required and
//! missing nothing else is reported.

use std::collections::HashSet;

use proc_macro2::{Literal, TokenStream};
use prost_reflect::{FieldDescriptor, MessageDescriptor, OneofDescriptor};
use quote::{format_ident, quote};

use crate::names;
use crate::rules::{self, Bound, FieldRules, Limit, Range, Rule};
use crate::schema::{self, Contract};
use crate::wording::{self, Wording};

/// The validators of all messages, and the patterns that they use, each compiled once.
pub(crate) fn generate(contract: &Contract) -> TokenStream {
    let mut generator = Generator { contract, patterns: Vec::new() };
    let impls: Vec<_> =
        contract.messages().iter().map(|message| generator.message(message)).collect();
    let patterns = generator.patterns.iter().enumerate().map(|(index, pattern)| {
        let name = pattern_name(index);
        quote! {
            static #name: LazyLock<Regex> =
                LazyLock::new(|| Regex::new(#pattern).expect("compiled when the contract was built"));
        }
    });
    quote!(#(#patterns)* #(#impls)*)
}

struct Generator<'a> {
    contract: &'a Contract,
    patterns: Vec<String>,
}

impl Generator<'_> {
    fn message(&mut self, message: &MessageDescriptor) -> TokenStream {
        let name = names::message(message);
        let mut checks: Vec<_> = message
            .fields()
            .filter(|field| schema::oneof_of(field).is_none())
            .map(|field| self.field(&field))
            .collect();
        checks.extend(schema::written_oneofs(message).iter().map(|oneof| self.oneof(oneof)));
        // A message without rules takes its arguments and looks at neither.
        let unused = checks.iter().all(TokenStream::is_empty);
        let (at, violations) = match unused {
            true => (format_ident!("_at"), format_ident!("_violations")),
            false => (format_ident!("at"), format_ident!("violations")),
        };
        quote! {
            impl Validate for #name {
                fn validate_at(&self, #at: Path<'_>, #violations: &mut Violations) {
                    #(#checks)*
                }
            }
        }
    }

    /// The checks of a field that is no member of a oneof.
    fn field(&mut self, field: &FieldDescriptor) -> TokenStream {
        let rules = self.rules(field);
        let (ident, name) = (names::field(field), field.name());
        if names::is_optional(field) {
            let checks = self.value(field, &rules.own, &quote!(at.field(#name)));
            return match (rules.required, checks.is_empty()) {
                (false, true) => quote!(),
                (false, false) => quote!(if let Some(value) = &self.#ident { #checks }),
                (true, checks_nothing) => {
                    let missing = add(&quote!(at.field(#name)), &wording::required());
                    if checks_nothing {
                        quote!(if self.#ident.is_none() { #missing })
                    } else {
                        quote!(if let Some(value) = &self.#ident { #checks } else { #missing })
                    }
                }
            };
        }
        let checks = match field.is_list() {
            true => self.list(field, &rules),
            false => self.value(field, &rules.own, &quote!(at.field(#name))),
        };
        let zero = names::is_zero(field, &quote!(value));
        let body = match (rules.required, checks.is_empty()) {
            (false, true) => return quote!(),
            (false, false) if rules.ignore_zero => quote!(if !(#zero) { #checks }),
            (false, false) => checks,
            (true, checks_nothing) => {
                let missing = add(&quote!(at.field(#name)), &wording::required());
                if checks_nothing {
                    quote!(if #zero { #missing })
                } else {
                    quote!(if #zero { #missing } else { #checks })
                }
            }
        };
        quote!({ let value = &self.#ident; #body })
    }

    /// The checks of a list and its items; `value` is the list.
    fn list(&mut self, field: &FieldDescriptor, rules: &FieldRules) -> TokenStream {
        let name = field.name();
        let of_list: Vec<_> =
            rules.own.iter().map(|rule| self.rule(field, rule, &quote!(at.field(#name)))).collect();
        let of_item = self.value(field, &rules.items, &quote!(at.item(#name, index)));
        let items = match of_item.is_empty() {
            true => quote!(),
            false => quote!(for (index, value) in value.iter().enumerate() { #of_item }),
        };
        quote!(#(#of_list)* #items)
    }

    fn oneof(&mut self, oneof: &OneofDescriptor) -> TokenStream {
        let (ident, name) = (names::oneof_field(oneof), oneof.name());
        let mut arms = Vec::new();
        let mut members = Vec::new();
        for field in oneof.fields() {
            members.push(field.name().to_owned());
            let field_name = field.name();
            let rules = self.rules(&field);
            let checks = self.value(&field, &rules.own, &quote!(at.field(#field_name)));
            if !checks.is_empty() {
                let variant = names::oneof_variant(&field);
                arms.push(quote!(Some(#variant(value)) => { #checks }));
            }
        }
        if self.contract.oneof_required(oneof) {
            let missing = add(&quote!(at.field(#name)), &wording::oneof_required(&members));
            arms.push(quote!(None => { #missing }));
        }
        if arms.is_empty() {
            return quote!();
        }
        // Every member and the lack of one; else the rest has no rules.
        let rest = (arms.len() <= members.len()).then(|| quote!(_ => {}));
        quote!(match &self.#ident { #(#arms)* #rest })
    }

    /// The checks of one value: `value` is a reference to it, `at` an expression for its path.
    fn value(&mut self, field: &FieldDescriptor, rules: &[Rule], at: &TokenStream) -> TokenStream {
        if let Some(message) = schema::held_message(field) {
            return match has_rules(self.contract, &message, &mut HashSet::new()) {
                true => quote!(value.validate_at(#at, violations);),
                false => quote!(),
            };
        }
        let checks = rules.iter().map(|rule| self.rule(field, rule, at));
        checks.collect()
    }

    fn rule(&mut self, field: &FieldDescriptor, rule: &Rule, at: &TokenStream) -> TokenStream {
        let broken = add(at, &wording::of(rule));
        let holds = match rule {
            Rule::Length(unit, limit, length) => {
                let length = Literal::u64_unsuffixed(*length);
                let counted = match unit {
                    rules::Unit::Characters => quote!(value.chars().count()),
                    rules::Unit::Bytes | rules::Unit::Items => quote!(value.len()),
                };
                match limit {
                    Limit::Exactly => quote!(#counted == #length),
                    Limit::AtLeast => quote!(#counted >= #length),
                    Limit::AtMost => quote!(#counted <= #length),
                }
            }
            Rule::Pattern(pattern) => {
                let name = pattern_name(self.pattern(pattern));
                quote!(#name.is_match(value))
            }
            Rule::Uuid => {
                let empty = add(at, &wording::uuid_empty());
                return quote!(if value.is_empty() { #empty } else if !is_uuid(value) { #broken });
            }
            Rule::Range(range) => within(range),
            Rule::DefinedOnly => {
                let kind = field.kind();
                let of_enum =
                    names::enumeration(kind.as_enum().expect("enum rules fit only enums"));
                quote!(#of_enum::is_valid(*value))
            }
            Rule::In(values) => {
                let numbers = values.iter().map(|(number, _)| Literal::i32_unsuffixed(*number));
                quote!([#(#numbers),*].contains(value))
            }
            Rule::NotIn(values) => {
                let numbers = values.iter().map(|(number, _)| Literal::i32_unsuffixed(*number));
                return quote!(if [#(#numbers),*].contains(value) { #broken });
            }
        };
        quote!(if !(#holds) { #broken })
    }

    fn rules(&self, field: &FieldDescriptor) -> FieldRules {
        read_rules(self.contract, field)
    }

    /// The index of `pattern` among the patterns in use.
    fn pattern(&mut self, pattern: &str) -> usize {
        let known = self.patterns.iter().position(|other| other == pattern);
        known.unwrap_or_else(|| {
            self.patterns.push(pattern.to_owned());
            self.patterns.len() - 1
        })
    }
}

fn read_rules(contract: &Contract, field: &FieldDescriptor) -> FieldRules {
    let option = contract.field_rules(field);
    option.map_or_else(FieldRules::default, |option| {
        rules::read(field, &option).expect("checked before any code is generated")
    })
}

/// Whether a message, or a message inside it, has any rule, so that looking into it is of use.
fn has_rules(contract: &Contract, message: &MessageDescriptor, seen: &mut HashSet<String>) -> bool {
    if !seen.insert(message.full_name().to_owned()) {
        return false;
    }
    schema::written_oneofs(message).iter().any(|oneof| contract.oneof_required(oneof))
        || message.fields().any(|field| {
            !read_rules(contract, &field).is_empty()
                || schema::held_message(&field).is_some_and(|held| has_rules(contract, &held, seen))
        })
}

/// Whether the number lies within its bounds. NaN lies within none.
fn within(range: &Range) -> TokenStream {
    let literal = |bound: &Bound| -> TokenStream {
        let text = match bound.number {
            rules::Number::Float(number) => format!("{number:?}"),
            number => number.to_string(),
        };
        text.parse().expect("a number is a token")
    };
    let lower = range.lower.as_ref().map(|bound| {
        let number = literal(bound);
        if bound.inclusive { quote!(*value >= #number) } else { quote!(*value > #number) }
    });
    let upper = range.upper.as_ref().map(|bound| {
        let number = literal(bound);
        if bound.inclusive { quote!(*value <= #number) } else { quote!(*value < #number) }
    });
    match (lower, upper) {
        (Some(lower), Some(upper)) => quote!(#lower && #upper),
        (lower, upper) => quote!(#lower #upper),
    }
}

fn add(at: &TokenStream, wording: &Wording) -> TokenStream {
    let Wording { id, english, indonesian } = wording;
    quote!(violations.add(#at, #id, #english, #indonesian);)
}

fn pattern_name(index: usize) -> proc_macro2::Ident {
    format_ident!("PATTERN_{index}")
}
