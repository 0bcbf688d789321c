//! What the contract must say of itself before any code is generated from it.
//!
//! A field without a data class would pass the minimiser unseen, a method without access would be
//! open to a forgotten policy, an element without a comment leaves its users guessing: none of
//! them compiles.

use std::fmt;

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor};

use crate::rules;
use crate::schema::{self, Contract};

/// One thing to correct, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offence {
    /// The proto file, as imports name it.
    pub(crate) file: String,
    /// The line, counted from 1.
    pub(crate) line: i32,
    /// What is wrong and what to do.
    pub(crate) what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Every offence of the contract, by file and line; empty when it may be built.
pub(crate) fn offences(contract: &Contract) -> Vec<Offence> {
    let mut check = Check { contract, found: Vec::new() };
    for file in contract.files() {
        check.file(file);
    }
    for message in contract.messages() {
        check.message(&message);
    }
    for of_enum in contract.enums() {
        check.enumeration(&of_enum);
    }
    check.found.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    check.found
}

struct Check<'a> {
    contract: &'a Contract,
    found: Vec<Offence>,
}

impl Check<'_> {
    fn file(&mut self, file: &FileDescriptor) {
        for service in file.services() {
            self.comment(file, service.path(), "service", service.full_name());
            for method in service.methods() {
                self.comment(file, method.path(), "method", method.full_name());
                if self.contract.effect(&method).is_none() {
                    let what = format!(
                        "method {} declares no access: add `option \
                         (desmigratif.options.v1.access) = {{effect: EFFECT_...}};`",
                        method.full_name()
                    );
                    self.add(file, method.path(), what);
                }
            }
        }
        for extension in file.extensions() {
            self.comment(file, extension.path(), "extension", extension.full_name());
        }
    }

    fn message(&mut self, message: &MessageDescriptor) {
        let file = message.parent_file();
        self.comment(&file, message.path(), "message", message.full_name());
        for oneof in schema::written_oneofs(message) {
            self.comment(&file, oneof.path(), "oneof", oneof.full_name());
        }
        for field in message.fields() {
            self.field(&file, &field);
        }
    }

    fn field(&mut self, file: &FileDescriptor, field: &FieldDescriptor) {
        self.comment(file, field.path(), "field", field.full_name());
        if self.contract.data_class(field).is_none() {
            let what = format!(
                "field {} has no data class: add `[(desmigratif.options.v1.data_class) = \
                 DATA_CLASS_...]`",
                field.full_name()
            );
            self.add(file, field.path(), what);
        }
        if field.is_map() {
            let what = format!(
                "field {} is a map, which is neither validated nor minimised: use a repeated \
                 message",
                field.full_name()
            );
            self.add(file, field.path(), what);
        }
        if let Some(option) = self.contract.field_rules(field)
            && let Err(fault) = rules::read(field, &option)
        {
            self.add(file, field.path(), format!("field {} {fault}", field.full_name()));
        }
    }

    fn enumeration(&mut self, of_enum: &EnumDescriptor) {
        let file = of_enum.parent_file();
        self.comment(&file, of_enum.path(), "enum", of_enum.full_name());
        for value in of_enum.values() {
            self.comment(&file, value.path(), "enum value", value.full_name());
            if value.number() == 0 && !value.name().ends_with("_UNSPECIFIED") {
                let what = format!(
                    "enum value {} is zero, which is what an absent field reads as: end its name \
                     in _UNSPECIFIED",
                    value.full_name()
                );
                self.add(&file, value.path(), what);
            }
        }
    }

    fn comment(&mut self, file: &FileDescriptor, path: &[i32], kind: &str, name: &str) {
        if schema::comment(file, path).is_empty() {
            let what = format!("{kind} {name} has no comment: say what it is on the line above it");
            self.add(file, path, what);
        }
    }

    fn add(&mut self, file: &FileDescriptor, path: &[i32], what: String) {
        let line = schema::line(file, path);
        self.found.push(Offence { file: file.name().to_owned(), line, what });
    }
}
