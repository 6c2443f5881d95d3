//! What to do about what was found, most urgent first.

use super::Checkup;
use crate::kernel::machine::Presence;

/// Sentences.
pub fn all(checkup: &Checkup, presence: &Presence) -> Vec<String> {
    let mut said: Vec<String> = checkup.refusal.iter().cloned().collect();
    let owners = &checkup.owners;
    if checkup.can_observe && checkup.table.is_some_and(|table| table.count == 0) {
        said.push(format!("In this namespace {}.", checkup.tracking));
    }
    if let Some(program) = &owners.kube_proxy {
        said.push(format!(
            "kube-proxy runs here ({program}) and writes nf_conntrack_max and TCP's and UDP's timeouts \
             when it starts: set them in its configuration, which tracker apply prints."
        ));
    }
    if owners.calico {
        said.push(
            "Calico runs here: it switches nf_conntrack_acct on, which costs memory for each entry, \
             and leaves timeouts and sizes alone."
                .to_owned(),
        );
    }
    for (place, line) in owners.sysctl_files.iter().enumerate() {
        let later = &owners.sysctl_files[place + 1..];
        let live = checkup.sysctls.get(&line.name);
        let is_last = later.iter().all(|it| it.name != line.name);
        if let (true, Some(live), Ok(wanted)) = (is_last, live, line.value.parse::<u64>())
            && *live != wanted
        {
            said.push(format!(
                "{} sets {} to {wanted}, but it is {live}: something else has set it since, or the file \
                 was read before nf_conntrack was loaded.",
                line.file, line.name
            ));
        }
    }
    let is_module = matches!(presence, Presence::Loaded | Presence::NotLoaded);
    if is_module && !owners.sysctl_files.is_empty() && owners.loaded_by.is_none() {
        said.push(
            "Sysctl files are read at boot before nf_conntrack is loaded, and then have no effect on it: \
             have it loaded early (echo nf_conntrack > /etc/modules-load.d/nf_conntrack.conf)."
                .to_owned(),
        );
    }
    for old in &checkup.legacy {
        said.push(format!(
            "{}:{} names {}, which no kernel has any more: it is called {} now.",
            old.file, old.line, old.old, old.new
        ));
    }
    if let Some(applied) = &owners.applied {
        said.push(format!(
            "A plan is applied: tracker rollback restores the values in {applied}."
        ));
    }
    said
}
