//! One set of policies as Cedar reads it, and the questions that it answers.
//!
//! How the words of the policy files stand for ours is `policies/schema.cedarschema`: the agency
//! is the principal, a method and a class of data are actions, the purpose is the resource, and
//! whether the call is signed is the context. Nothing is remembered here: an answer costs tens of
//! microseconds.
//!
//! Invariants: a set is strictly valid against the schema, without warnings; a policy that fails
//! while it is evaluated refuses the call.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    ParseErrors, Policy, PolicyId, PolicySet, Request, RestrictedExpression, Schema,
    ValidationMode, Validator,
};
use desmigratif_core::access::{AgencyKind, DataClass, Purpose};
use desmigratif_core::agency::Agency;
use desmigratif_core::journal::Hash;
use desmigratif_proto::Method;
use miette::Diagnostic;
use sha2::{Digest as _, Sha256};

use super::files::{Broken, File, SCHEMA, Source};

/// The exchange as the resource of what is open to all.
const EXCHANGE: &str = "desmigratif";

/// One set of policies.
pub(super) struct Rules {
    authorizer: Authorizer,
    policies: PolicySet,
    /// The file of each policy.
    files: BTreeMap<PolicyId, String>,
    digest: Hash,
    actions: Entities,
    types: Types,
}

/// The types of the schema, read once.
struct Types {
    action: EntityTypeName,
    agency: EntityTypeName,
    clearance: EntityTypeName,
    entry: EntityTypeName,
    exchange: EntityTypeName,
    kind: EntityTypeName,
    place: EntityTypeName,
    purpose: EntityTypeName,
}

/// A question that the policies answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// May the agency call a method?
    Call(&'static Method, Case),
    /// May it see a class of data?
    See(DataClass, Case),
    /// May it know of such a record?
    Reach(Relation),
}

/// What a question about a call depends on, beside agency and method.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// The purpose; none, of a method that is open to all.
    pub(super) purpose: Option<Purpose>,
    /// Whether the call is signed.
    pub(super) signed: bool,
}

/// What a record is to the agency that asks for it. This is all that policies may look at, so that
/// so many answers hold for every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A village in the agency's region, and the people at home there.
    PlaceInRegion,
    /// A village elsewhere, or any village when the agency has no region.
    PlaceElsewhere,
    /// A clearance that the agency has submitted.
    OwnClearance,
    /// A clearance that another agency has submitted.
    OthersClearance,
    /// An entry of the journal that the agency's call has made.
    OwnEntry,
    /// An entry by which the gateway has put something in force.
    SettingEntry,
    /// Any other entry.
    OthersEntry,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Self; 7] = [
        Self::PlaceInRegion,
        Self::PlaceElsewhere,
        Self::OwnClearance,
        Self::OthersClearance,
        Self::OwnEntry,
        Self::SettingEntry,
        Self::OthersEntry,
    ];

    /// What policies may look at in such a record, as the schema names it.
    const fn attributes(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::PlaceInRegion => &[("inCallersRegion", true)],
            Self::PlaceElsewhere => &[("inCallersRegion", false)],
            Self::OwnClearance => &[("submittedByCaller", true)],
            Self::OthersClearance => &[("submittedByCaller", false)],
            Self::OwnEntry => &[("madeByCaller", true), ("putsInForce", false)],
            Self::SettingEntry => &[("madeByCaller", false), ("putsInForce", true)],
            Self::OthersEntry => &[("madeByCaller", false), ("putsInForce", false)],
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::PlaceInRegion => "in-region",
            Self::PlaceElsewhere => "elsewhere",
            Self::OwnClearance | Self::OwnEntry => "own",
            Self::SettingEntry => "setting",
            Self::OthersClearance | Self::OthersEntry => "others",
        }
    }
}

/// An answer.
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// The policies that decided; none when nothing permits.
    pub(super) because: Vec<PolicyId>,
}

/// An agency as the policies see it, with the records that it may ask about.
pub(super) struct Asker {
    uid: EntityUid,
    entities: Entities,
}

impl Rules {
    /// Reads and checks a set.
    pub(super) fn load(source: &Source) -> Result<Self, Broken> {
        let files = source.read()?;
        let (schema, _) =
            Schema::from_cedarschema_str(SCHEMA.text).map_err(|error| SCHEMA.found(&error))?;
        let actions = schema.action_entities().map_err(|error| SCHEMA.found(&error))?;
        let mut policies = PolicySet::new();
        let mut file_of = BTreeMap::new();
        for (name, text) in &files {
            let file = File { name, text };
            let parsed: PolicySet = text.parse().map_err(|error| file.found(&error))?;
            if parsed.num_of_templates() > 0 {
                return Err(file.mistake(0, "a template (?principal or ?resource) is no policy"));
            }
            for policy in parsed.policies() {
                let policy = named(&file, policy)?;
                if let Some(other) = file_of.insert(policy.id().clone(), name.clone()) {
                    let what = format!("another policy has the @id {}, in {other}", policy.id());
                    return Err(file.mistake(offset(&file, &policy), &what));
                }
                let at = offset(&file, &policy);
                policies.add(policy).map_err(|error| file.mistake(at, &error.to_string()))?;
            }
        }
        valid(&policies, schema, |id| {
            let name = file_of.get(id)?;
            let (name, text) = files.iter().find(|(file, _)| file == name)?;
            Some(File { name, text })
        })?;
        let types = Types::new()?;
        let (authorizer, digest) = (Authorizer::new(), digest(&files));
        Ok(Self { authorizer, policies, files: file_of, digest, actions, types })
    }

    /// SHA-256 of the files: of each in the order of their names its name and its text, each behind
    /// its length as a big-endian u64.
    pub(super) const fn digest(&self) -> &Hash {
        &self.digest
    }

    /// How many policies the set has.
    pub(super) fn policies(&self) -> usize {
        self.files.len()
    }

    /// The agency as the policies see it.
    pub(super) fn asker(&self, agency: &Agency) -> Asker {
        let types = &self.types;
        let uid = uid(&types.agency, agency.id.as_str());
        let kind = uid_of_kind(types, agency.kind);
        let mut attributes = HashMap::new();
        let mut text = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), RestrictedExpression::new_string(value));
            }
        };
        text("region", agency.region.as_ref().map(ToString::to_string));
        text("facility", agency.facility.clone());
        let entity = |uid, attributes, parents| {
            Entity::new(uid, attributes, parents).map_err(|error| error.to_string())
        };
        let of = |relation: Relation| {
            let attributes = relation
                .attributes()
                .iter()
                .map(|&(name, holds)| (name.to_owned(), RestrictedExpression::new_bool(holds)));
            entity(types.record(relation), attributes.collect(), HashSet::new())
        };
        let entities = [
            Ok(Entity::new_no_attrs(kind.clone(), HashSet::new())),
            entity(uid.clone(), attributes, HashSet::from([kind])),
        ]
        .into_iter()
        .chain(Relation::ALL.map(of))
        .collect::<Result<Vec<_>, _>>();
        let entities = entities.and_then(|entities| {
            let known = self.actions.clone().add_entities(entities, None);
            known.map_err(|error| error.to_string())
        });
        // Plain texts and booleans make entities; were it otherwise, an agency without attributes
        // and kind gets no permit.
        let entities = entities.unwrap_or_else(|error| {
            tracing::error!(%error, "agency not understood by the policy");
            Entities::empty()
        });
        Asker { uid, entities }
    }

    /// The answer to a question.
    pub(super) fn ask(&self, asker: &Asker, question: Question) -> Verdict {
        let types = &self.types;
        let (action, resource, context) = match question {
            Question::Call(method, case) => {
                (short_name(method).to_owned(), types.resource(case), context(case))
            }
            Question::See(class, case) => {
                (format!("see/{}", class_name(class)), types.resource(case), context(case))
            }
            Question::Reach(relation) => {
                ("reach".to_owned(), types.record(relation), Ok(Context::empty()))
            }
        };
        let action = uid(&types.action, &action);
        let request = context.and_then(|context| {
            Request::new(asker.uid.clone(), action, resource, context, None)
                .map_err(|error| error.to_string())
        });
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(%error, "question not understood by the policy");
                return Verdict { allowed: false, because: Vec::new() };
            }
        };
        let response = self.authorizer.is_authorized(&request, &self.policies, &asker.entities);
        let diagnostics = response.diagnostics();
        let mut because: Vec<_> = diagnostics.reason().cloned().collect();
        because.sort();
        let mut failed = false;
        for error in diagnostics.errors() {
            // Valid policies do not fail. One that does might have been a forbid.
            tracing::error!(%error, "policy failed, the call is refused");
            failed = true;
        }
        Verdict { allowed: response.decision() == Decision::Allow && !failed, because }
    }

    /// A policy's file and reason.
    pub(super) fn told(&self, id: &PolicyId) -> (&str, &str) {
        let file = self.files.get(id).map_or("", String::as_str);
        (file, self.policies.annotation(id, "reason").unwrap_or_default())
    }
}

impl Types {
    fn new() -> Result<Self, Broken> {
        let read = |name: &str| name.parse().map_err(|error: ParseErrors| SCHEMA.found(&error));
        Ok(Self {
            action: read("Action")?,
            agency: read("Agency")?,
            clearance: read("Clearance")?,
            entry: read("Entry")?,
            exchange: read("Exchange")?,
            kind: read("Kind")?,
            place: read("Place")?,
            purpose: read("Purpose")?,
        })
    }

    fn resource(&self, case: Case) -> EntityUid {
        match case.purpose {
            Some(purpose) => uid(&self.purpose, purpose.as_str()),
            None => uid(&self.exchange, EXCHANGE),
        }
    }

    fn record(&self, relation: Relation) -> EntityUid {
        let of = match relation {
            Relation::PlaceInRegion | Relation::PlaceElsewhere => &self.place,
            Relation::OwnClearance | Relation::OthersClearance => &self.clearance,
            Relation::OwnEntry | Relation::SettingEntry | Relation::OthersEntry => &self.entry,
        };
        uid(of, relation.id())
    }
}

/// What is known of a call beside who makes it and why.
fn context(case: Case) -> Result<Context, String> {
    let signed = RestrictedExpression::new_bool(case.signed);
    Context::from_pairs([("signed".to_owned(), signed)]).map_err(|error| error.to_string())
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn uid_of_kind(types: &Types, kind: AgencyKind) -> EntityUid {
    uid(&types.kind, kind.as_str())
}

/// The digest of files, in their order.
fn digest(files: &[(String, String)]) -> Hash {
    let mut digest = Sha256::new();
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The policy under the name that its file gives it.
fn named(file: &File<'_>, policy: &Policy) -> Result<Policy, Broken> {
    let missing = |key: &str| {
        let what = format!("the policy has no @{key}; every policy has an @id and a @reason");
        file.mistake(offset(file, policy), &what)
    };
    let said = |key: &'static str| {
        let text = policy.annotation(key).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| missing(key))
    };
    said("reason")?;
    Ok(policy.new_id(PolicyId::new(said("id")?)))
}

/// Where a policy stands in its file.
fn offset(file: &File<'_>, policy: &Policy) -> usize {
    policy.to_cedar().and_then(|text| file.text.find(&text)).unwrap_or(0)
}

/// Refuses a set that breaks the schema, or has a policy that can never apply.
fn valid<'a>(
    policies: &PolicySet,
    schema: Schema,
    file_of: impl Fn(&PolicyId) -> Option<File<'a>>,
) -> Result<(), Broken> {
    let result = Validator::new(schema).validate(policies, ValidationMode::Strict);
    // A warning often follows from an error, so it speaks only where there is none.
    let mut mistakes: Vec<(_, &dyn Diagnostic)> =
        result.validation_errors().map(|error| (error.policy_id(), error as _)).collect();
    if mistakes.is_empty() {
        let warnings = result.validation_warnings();
        mistakes.extend(warnings.map(|warning| (warning.policy_id(), warning as &dyn Diagnostic)));
    }
    // The first by file and line, so that the same set is told in the same way.
    let found = mistakes.into_iter().map(|(id, error)| file_of(id).unwrap_or(SCHEMA).found(error));
    let place = |broken: &Broken| match broken {
        Broken::Mistake { file, line, .. } => (file.clone(), *line),
        Broken::Unreadable { .. } | Broken::Empty(_) => (String::new(), 0),
    };
    found.min_by_key(place).map_or(Ok(()), Err)
}

/// A method as policies name it: "VillageService/GetVillage".
pub(super) fn short_name(method: &Method) -> &'static str {
    method.path.rsplit_once('.').map_or(method.path, |(_, name)| name)
}

/// A class of data as policies name it.
pub const fn class_name(class: DataClass) -> &'static str {
    match class {
        DataClass::Public => "public",
        DataClass::Programme => "programme",
        DataClass::Identity => "identity",
        DataClass::Contact => "contact",
        DataClass::HealthConclusion => "health-conclusion",
        DataClass::HealthDetail => "health-detail",
        DataClass::Family => "family",
    }
}
