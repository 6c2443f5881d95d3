//! What is to be written where: the plan, held against the machine as it is.

use std::collections::{BTreeMap, BTreeSet};

use nix::unistd::{SysconfVar, sysconf};

use super::{ApplyError, Change, Place, room};
use crate::{
    analysis::advice::{
        Action, Origin,
        file::{PlanFile, PlannedSetting},
    },
    kernel::{
        Root,
        machine::{Machine, identity},
        netns,
        owners::{KubeProxy, Owners, Wish},
    },
    settings::Name,
};

/// What the user wants beside the plan.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Namespaces whose timers are set, by name or path; those of the plan if empty.
    pub netns: Vec<String>,
    /// The number of buckets is changed as well.
    pub buckets: bool,
    /// The plan may be another machine's.
    pub any_machine: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Values that differ, in the order in which they are to be written: what gives room comes first.
    pub changes: Vec<Change>,
    /// All that is to be set in the namespace whose settings are set at boot, also what has its value
    /// already.
    pub at_boot: BTreeMap<Name, u64>,
    /// Of kube-proxy, which would overwrite them.
    pub delegated: Vec<Wish>,
    /// What the user must know.
    pub warnings: Vec<String>,
}

impl Intent {
    /// Of a plan on this machine.
    ///
    /// # Errors
    /// When the plan is another machine's, a namespace or a setting of it is not here, or the table is too
    /// full for it.
    pub fn of(
        root: &Root,
        plan: &PlanFile,
        options: &Options,
        owners: &Owners,
    ) -> Result<Self, ApplyError> {
        if !options.any_machine {
            is_for(root, &plan.machine)?;
        }
        let mut intent = Self::default();
        let places = places(root, plan, options)?;
        let mut drifted = BTreeSet::new();
        for setting in &plan.settings {
            let wants = setting.action != Action::Keep;
            let first;
            let places = match setting.name {
                Name::Timer(_) => &places[..],
                Name::Buckets if wants && !options.buckets => {
                    intent.leave_buckets(setting);
                    continue;
                }
                _ if wants => {
                    first = [Place::first(root)?];
                    &first[..]
                }
                _ => continue,
            };
            for place in places {
                let now = match place.read(root, setting.name) {
                    Err(ApplyError::Missing { .. }) if !wants => continue,
                    now => now?,
                };
                if now != setting.current && now != setting.recommended {
                    drifted.insert(setting.name);
                }
                if wants {
                    intent.take(setting, place, now, owners);
                }
            }
        }
        intent.warn(&drifted, options);
        intent
            .changes
            .sort_by_key(|it| it.after != 0 && it.after < it.before);
        room::check(root, &intent.changes)?;
        Ok(intent)
    }

    fn take(&mut self, setting: &PlannedSetting, place: &Place, now: u64, owners: &Owners) {
        let after = match setting.name {
            Name::Buckets => whole_pages(setting.recommended),
            _ => setting.recommended,
        };
        if goes_further(setting, now, after) {
            self.warnings.push(format!(
                "{} is {now} already in the namespace {}, which is more than the plan asks for ({after}): it \
                 stays.",
                setting.name, place.name
            ));
            return;
        }
        let short = setting.name.short();
        if now != after && owners.kube_proxy.is_some() && place.is_host() && KubeProxy::owns(&short)
        {
            self.delegated.push(Wish {
                name: short,
                value: after,
            });
            return;
        }
        if place.is_host() {
            self.at_boot.insert(setting.name, after);
        }
        if now == after {
            return;
        }
        self.changes.push(Change {
            place: place.clone(),
            name: setting.name,
            before: now,
            after,
        });
    }

    fn leave_buckets(&mut self, setting: &PlannedSetting) {
        self.warnings.push(format!(
            "nf_conntrack_buckets stays at {}: changing it to {} holds all packets up while the table \
             is made anew. Do it in a quiet hour with --buckets.",
            setting.current, setting.recommended
        ));
    }

    fn warn(&mut self, drifted: &BTreeSet<Name>, options: &Options) {
        if !drifted.is_empty() {
            let names: Vec<String> = drifted.iter().map(|it| it.short()).collect();
            self.warnings.push(format!(
                "Set to something else since the plan was made, which may rest on values that are no \
                 longer true: {}.",
                names.join(", ")
            ));
        }
        if options.buckets && self.changes.iter().any(|it| it.name == Name::Buckets) {
            self.warnings.push(
                "While the number of buckets changes, the kernel moves every entry with all locks \
                 held: packets wait."
                    .to_owned(),
            );
        }
    }
}

/// The value is beyond the planned one, in the direction in which the plan moves it: what nobody has shown to
/// be harmless is not undone.
fn goes_further(setting: &PlannedSetting, now: u64, after: u64) -> bool {
    // 0 is no bound.
    let room = |value| match setting.name {
        Name::Max if value == 0 => u64::MAX,
        _ => value,
    };
    match setting.action {
        Action::Raise => room(now) > room(after),
        Action::Lower => room(now) < room(after),
        Action::Keep => false,
    }
}

/// Fails if a plan is another machine's: by its identity or, where one of both has none, by its name.
fn is_for(root: &Root, plan: &Origin) -> Result<(), ApplyError> {
    let machine = Machine::read(root).map_err(|error| ApplyError::Plan(error.to_string()))?;
    let is_same = match (&plan.id, identity(root)) {
        (Some(planned), Some(own)) => *planned == own,
        _ => plan.host == machine.host,
    };
    if is_same {
        return Ok(());
    }
    Err(ApplyError::Plan(format!(
        "the plan was made for the machine {}, and this is {}. Make one from a watch of this machine, \
         or apply it all the same with --any-machine",
        plan.host, machine.host
    )))
}

/// Where timers are to be set.
fn places(root: &Root, plan: &PlanFile, options: &Options) -> Result<Vec<Place>, ApplyError> {
    if !options.netns.is_empty() {
        let mut places: Vec<Place> = Vec::new();
        for name in &options.netns {
            let place = Place::named(root, name)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        return Ok(places);
    }
    let known = netns::list(root);
    let mut places: Vec<Place> = Vec::new();
    for planned in &plan.namespaces {
        if netns::is_unnamed(&planned.name) {
            return Err(ApplyError::Unnamed {
                place: planned.name.clone(),
            });
        }
        let found = known.iter().find(|it| it.name == planned.name);
        let place = found.map(Place::from).ok_or_else(|| ApplyError::Gone {
            place: planned.name.clone(),
        })?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

/// The kernel makes whole pages of buckets, each the head of a list.
fn whole_pages(buckets: u64) -> u64 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    let page = page.and_then(|it| u64::try_from(it).ok()).unwrap_or(4096);
    buckets.next_multiple_of((page / size_of::<usize>() as u64).max(1))
}
