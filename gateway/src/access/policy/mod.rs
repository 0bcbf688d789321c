//! The policy: which agency may call which methods for which purpose, which classes of data that
//! opens, and whose records it reaches. Everything that no policy permits is refused.
//!
//! What is decided stands in the policy files (`policies/*.cedar`), for lawyers to read as well as
//! for engineers; this module reads them, asks them and remembers their answers. Which purposes an
//! agency holds is not policy: that is registered with the agency.
//!
//! Invariants:
//! - A set that is broken is never in force: it does not load, and a reload keeps the old one.
//! - An answer is remembered for one agency as it is registered, within one set of policies; a
//!   reload or a change of the agency's record forgets it.

mod files;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use arc_swap::ArcSwap;
use desmigratif_core::access::{AgencyKind, Classes, DataClass, Purpose};
use desmigratif_core::agency::{Agency, AgencyId};
use desmigratif_core::journal::Hash;
use desmigratif_core::region::RegionCode;
use desmigratif_proto::options::v1::Effect;
use desmigratif_proto::{METHODS, Method};

use super::permit::Reach;
use super::{Admission, Attempt, Permit, Refusal};

use files::Stamps;
use rules::{Asker, Case, Question, Rules, Verdict};

pub use files::{Broken, Source};
pub use rules::{Relation, class_name};

/// The standard services that every registered agency may call: they tell nothing of anyone.
const STANDARD: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/"];

/// The policy in force, reloadable.
pub struct Policy {
    source: Source,
    in_force: ArcSwap<InForce>,
}

/// One set of policies, and what it has answered.
struct InForce {
    rules: Rules,
    /// Counts the sets, from 1.
    version: u64,
    /// The files as they were just before they were read.
    stamps: Stamps,
    /// At most one entry for each registered agency: strangers never come this far.
    answers: RwLock<HashMap<AgencyId, Arc<Answers>>>,
}

/// What a set answers to one agency.
struct Answers {
    of: Standing,
    reach: Reach,
    /// By purpose, in declaration order, the last for none; each unsigned and signed.
    granted: [[OnceLock<Granted>; 2]; Purpose::ALL.len() + 1],
}

/// What policies may look at in an agency, its id apart.
#[derive(PartialEq, Eq)]
struct Standing {
    kind: AgencyKind,
    region: Option<RegionCode>,
    facility: Option<String>,
}

/// What an agency may do in one case.
struct Granted {
    /// For each method of the contract, in its order, whether it may be called.
    methods: Box<[bool]>,
    classes: Classes,
}

/// What an agency may do for a purpose.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The classes of data that it may see.
    pub classes: Classes,
    /// The methods that it may call, in the contract's order.
    pub methods: Vec<&'static Method>,
}

/// A policy that has decided something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// Its `@id`.
    pub id: String,
    /// Its file.
    pub file: String,
    /// Its `@reason`.
    pub reason: String,
}

/// What the policies say to a call, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whether the call is allowed, the agency holding the purpose.
    pub allowed: bool,
    /// Whether it is not allowed, and were if it were signed.
    pub signature_required: bool,
    /// The policies that decided; none when nothing permits.
    pub because: Vec<Because>,
    /// The classes of data that the purpose opens, and the policies that open them.
    pub classes: Vec<(DataClass, Vec<Because>)>,
    /// The records that the agency reaches, and the policies that let it.
    pub reach: Vec<(Relation, Vec<Because>)>,
}

impl Policy {
    /// Reads and checks the policies of a source.
    ///
    /// # Errors
    /// [`Broken`] names file, line and mistake.
    pub fn load(source: Source) -> Result<Arc<Self>, Broken> {
        let in_force = ArcSwap::from_pointee(InForce::load(&source, 1)?);
        Ok(Arc::new(Self { source, in_force }))
    }

    /// Reads and checks the source again, and puts what it says into force at once. When it is
    /// broken, the set in force stays.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn reload(&self) -> Result<(), Broken> {
        let version = self.in_force.load().version + 1;
        self.in_force.store(Arc::new(InForce::load(&self.source, version)?));
        Ok(())
    }

    /// Whether the files differ from those that the set in force was read from.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.source.stamps() != self.in_force.load().stamps
    }

    /// How many sets have been in force, this one included.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.in_force.load().version
    }

    /// SHA-256 of the files in force: of each in the order of their names its name and its text, each
    /// behind its length as a big-endian u64.
    #[must_use]
    pub fn digest(&self) -> Hash {
        *self.in_force.load().rules.digest()
    }

    /// How many policies are in force.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.in_force.load().rules.policies()
    }

    /// What an agency may do for a purpose, if it may do anything, where it signs what must be
    /// signed. Whether it holds the purpose is not asked.
    #[must_use]
    pub fn grant(&self, agency: &Agency, purpose: Purpose) -> Option<Grant> {
        let in_force = self.in_force.load();
        let answers = in_force.answers(agency);
        let case = Case { purpose: Some(purpose), signed: true };
        let granted = answers.granted(&in_force.rules, agency, case);
        let methods = METHODS.iter().zip(&granted.methods).filter(|(_, allowed)| **allowed);
        let methods: Vec<_> = methods.map(|(method, _)| method).collect();
        (!methods.is_empty()).then_some(Grant { classes: granted.classes, methods })
    }

    /// Decides on a call of the contract or of a standard service.
    ///
    /// # Errors
    /// As [`Policy::authorise`].
    pub fn admit(&self, agency: &Arc<Agency>, attempt: Attempt<'_>) -> Result<Admission, Refusal> {
        if STANDARD.iter().any(|service| attempt.path.starts_with(service)) {
            return Ok(Admission::Standard);
        }
        self.authorise(agency, attempt).map(Admission::Contract)
    }

    /// Decides on a call of the contract.
    ///
    /// # Errors
    /// [`Refusal`] says which rule refused.
    pub fn authorise(&self, agency: &Arc<Agency>, attempt: Attempt<'_>) -> Result<Permit, Refusal> {
        let Attempt { path, purpose, signed } = attempt;
        let (index, method) = callable(path).ok_or(Refusal::MethodUnknown)?;
        let purpose = if open(method) {
            None
        } else {
            let purpose = Purpose::parse(purpose.ok_or(Refusal::PurposeMissing)?)
                .ok_or(Refusal::PurposeUnknown)?;
            if !agency.purposes.contains(&purpose) {
                return Err(Refusal::PurposeNotHeld);
            }
            Some(purpose)
        };
        let in_force = self.in_force.load();
        let answers = in_force.answers(agency);
        let granted = |signed| answers.granted(&in_force.rules, agency, Case { purpose, signed });
        let allows = |granted: &Granted| granted.methods.get(index).is_some_and(|it| *it);
        let asked = granted(signed);
        if !allows(asked) {
            let would_be = !signed && allows(granted(true));
            return Err(if would_be { Refusal::SignatureRequired } else { Refusal::NotPermitted });
        }
        let (classes, reach) = (asked.classes, answers.reach);
        Ok(Permit { agency: agency.clone(), purpose, method, classes, reach })
    }

    /// What the policies say to a call of a method for a purpose, signed or not, and why. A method
    /// that is open to all needs no purpose; one that is stated with it does not matter.
    #[must_use]
    pub fn explain(
        &self,
        agency: &Agency,
        method: &'static Method,
        purpose: Option<Purpose>,
        signed: bool,
    ) -> Explanation {
        let in_force = self.in_force.load();
        let rules = &in_force.rules;
        let asker = rules.asker(agency);
        let case = Case { purpose: purpose.filter(|_| !open(method)), signed };
        let because = |verdict: Verdict| {
            let because = |id| {
                let (file, reason) = rules.told(id);
                Because { id: id.to_string(), file: file.to_owned(), reason: reason.to_owned() }
            };
            verdict.because.iter().map(because).collect::<Vec<_>>()
        };
        let allowed = |question| {
            let verdict = rules.ask(&asker, question);
            verdict.allowed.then(|| because(verdict))
        };
        let verdict = rules.ask(&asker, Question::Call(method, case));
        let would_be = Question::Call(method, Case { signed: true, ..case });
        let class = |class| Some((class, allowed(Question::See(class, case))?));
        let reach = |relation| Some((relation, allowed(Question::Reach(relation))?));
        // Without a region every place is elsewhere.
        let there =
            |relation: &Relation| agency.region.is_some() || *relation != Relation::PlaceInRegion;
        Explanation {
            allowed: verdict.allowed,
            signature_required: !verdict.allowed && allowed(would_be).is_some(),
            because: because(verdict),
            classes: DataClass::ALL.into_iter().filter_map(class).collect(),
            reach: Relation::ALL.into_iter().filter(there).filter_map(reach).collect(),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("source", &self.source).finish_non_exhaustive()
    }
}

impl InForce {
    fn load(source: &Source, version: u64) -> Result<Self, Broken> {
        let stamps = source.stamps();
        let rules = Rules::load(source)?;
        Ok(Self { rules, version, stamps, answers: RwLock::default() })
    }

    /// What this set has answered to an agency as it is registered now.
    fn answers(&self, agency: &Agency) -> Arc<Answers> {
        // Nothing panics while it holds this lock, and the map is whole even if it did.
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(&agency.id).filter(|known| known.of.is_of(agency)) {
            return known.clone();
        }
        drop(answers);
        let fresh = Arc::new(Answers::new(&self.rules, agency));
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        answers.insert(agency.id.clone(), fresh.clone());
        fresh
    }
}

impl Answers {
    fn new(rules: &Rules, agency: &Agency) -> Self {
        let asker = rules.asker(agency);
        let reaches = |relation| rules.ask(&asker, Question::Reach(relation)).allowed;
        Self {
            of: Standing {
                kind: agency.kind,
                region: agency.region,
                facility: agency.facility.clone(),
            },
            reach: Reach {
                places_in_region: reaches(Relation::PlaceInRegion),
                places_elsewhere: reaches(Relation::PlaceElsewhere),
                own_clearances: reaches(Relation::OwnClearance),
                others_clearances: reaches(Relation::OthersClearance),
                own_entries: reaches(Relation::OwnEntry),
                setting_entries: reaches(Relation::SettingEntry),
                others_entries: reaches(Relation::OthersEntry),
            },
            granted: Default::default(),
        }
    }

    /// What the agency may do in a case. Asked of the policies the first time.
    fn granted(&self, rules: &Rules, agency: &Agency, case: Case) -> &Granted {
        let of_purpose = case.purpose.map_or(Purpose::ALL.len(), |purpose| purpose as usize);
        let known = &self.granted[of_purpose][usize::from(case.signed)];
        known.get_or_init(|| Granted::ask(rules, &rules.asker(agency), case))
    }
}

impl Standing {
    fn is_of(&self, agency: &Agency) -> bool {
        self.kind == agency.kind && self.region == agency.region && self.facility == agency.facility
    }
}

impl Granted {
    fn ask(rules: &Rules, asker: &Asker, case: Case) -> Self {
        let call = |method: &'static Method| {
            // A method that is open to all is never asked for with a purpose, nor the others without.
            callable(method.path).is_some()
                && open(method) == case.purpose.is_none()
                && rules.ask(asker, Question::Call(method, case)).allowed
        };
        let see = |class: &DataClass| rules.ask(asker, Question::See(*class, case)).allowed;
        let classes: Vec<_> = DataClass::ALL.into_iter().filter(see).collect();
        Self { methods: METHODS.iter().map(call).collect(), classes: Classes::of(&classes) }
    }
}

/// The method at a path, with its place in the contract, when agencies may call it at all.
fn callable(path: &str) -> Option<(usize, &'static Method)> {
    let index = METHODS.binary_search_by(|method| method.path.cmp(path)).ok()?;
    METHODS.get(index).filter(|it| it.effect != Effect::Outbound).map(|method| (index, method))
}

/// Whether a method is open to all, without a purpose.
const fn open(method: &Method) -> bool {
    matches!(method.effect, Effect::ReadPublic | Effect::ReadSelf)
}

/// The method that a text names: "VillageService/GetVillage" or its whole path, with the leading
/// slash or without.
#[must_use]
pub fn method_named(text: &str) -> Option<&'static Method> {
    let name = text.trim_start_matches('/');
    let named = |method: &&Method| {
        rules::short_name(method) == name || method.path.trim_start_matches('/') == name
    };
    METHODS.iter().filter(|method| method.effect != Effect::Outbound).find(named)
}
