//! The names that conntrack's settings had before Linux 2.6.20, which files and scripts still use.
//! No kernel with BTF has them: whatever sets them has no effect.

use std::fs;

use super::Root;

const OLD: &str = "ip_conntrack";
const NEW: &str = "nf_conntrack";
/// Old beginnings of a name, and what takes their place; the first that fits counts.
const BEGINNINGS: [(&str, &str); 5] = [
    ("ipv4.netfilter.ip_conntrack", "netfilter.nf_conntrack"),
    ("ipv4/netfilter/ip_conntrack", "netfilter/nf_conntrack"),
    ("ipv4.ip_conntrack", "netfilter.nf_conntrack"),
    ("ipv4/ip_conntrack", "netfilter/nf_conntrack"),
    (OLD, NEW),
];
/// Where settings and scripts that set them are: files, and folders of files.
const PLACES: [&str; 16] = [
    "etc/sysctl.conf",
    "etc/sysctl.d",
    "etc/modprobe.d",
    "etc/modules",
    "etc/modules-load.d",
    "etc/rc.local",
    "etc/rc.d",
    "etc/init.d",
    "etc/local.d",
    "etc/network",
    "etc/network/if-up.d",
    "etc/network/if-pre-up.d",
    "etc/sysconfig",
    "etc/default",
    "etc/ufw",
    "etc/udev/rules.d",
];
/// Longer files are no settings.
const LONGEST: u64 = 1 << 20;

/// An old name in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// The file, as a path from the machine's root: `/etc/rc.local`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// As it stands there.
    pub old: String,
    /// What it is called now.
    pub new: String,
}

/// Old names in the machine's files, comments left out.
#[must_use]
pub fn find(root: &Root) -> Vec<Legacy> {
    let mut found = Vec::new();
    for place in PLACES {
        let mut files = vec![place.to_owned()];
        if let Ok(entries) = fs::read_dir(root.path(place)) {
            let names = entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
            files = names.map(|name| format!("{place}/{name}")).collect();
            files.sort();
        }
        for file in files {
            let is_short =
                fs::metadata(root.path(&file)).is_ok_and(|it| it.is_file() && it.len() < LONGEST);
            if is_short && let Ok(text) = root.text(&file) {
                found.extend(in_text(&format!("/{file}"), &text));
            }
        }
    }
    found
}

fn in_text(file: &str, text: &str) -> Vec<Legacy> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let words = text.split(|it: char| !it.is_ascii_alphanumeric() && !"_./-".contains(it));
        found.extend(words.filter_map(|word| {
            Some(Legacy {
                file: file.to_owned(),
                line,
                old: word.to_owned(),
                new: translate(word)?,
            })
        }));
    }
    found
}

/// What an old name is called now: of a sysctl (with dots or slashes, with or without what stands
/// before it), a file below /proc or a module; `None` if it is no old name.
#[must_use]
pub fn translate(name: &str) -> Option<String> {
    let at = name.find(OLD)?;
    if name[..at].ends_with(|it: char| it.is_ascii_alphanumeric() || it == '_') {
        return None;
    }
    let (old, new) = BEGINNINGS.iter().find(|(old, _)| name.contains(old))?;
    Some(name.replacen(old, new, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_have_new_ones() {
        for (old, new) in [
            (
                "net.ipv4.netfilter.ip_conntrack_udp_timeout",
                "net.netfilter.nf_conntrack_udp_timeout",
            ),
            (
                "net.ipv4.ip_conntrack_max",
                "net.netfilter.nf_conntrack_max",
            ),
            (
                "/proc/sys/net/ipv4/ip_conntrack_max",
                "/proc/sys/net/netfilter/nf_conntrack_max",
            ),
            (
                "net/ipv4/netfilter/ip_conntrack_buckets",
                "net/netfilter/nf_conntrack_buckets",
            ),
            ("/proc/net/ip_conntrack", "/proc/net/nf_conntrack"),
            ("ip_conntrack_ftp", "nf_conntrack_ftp"),
        ] {
            assert_eq!(translate(old).as_deref(), Some(new));
        }
        assert_eq!(translate("net.netfilter.nf_conntrack_max"), None);
        assert_eq!(translate("my_ip_conntrack"), None);
    }

    #[test]
    fn they_are_found_where_settings_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::create_dir_all(root.path("etc/sysctl.d")).unwrap();
        fs::write(
            root.path("etc/rc.local"),
            "#!/bin/sh\necho 5 >/proc/sys/net/ipv4/ip_conntrack_max\n",
        )
        .unwrap();
        fs::write(
            root.path("etc/sysctl.d/10-old.conf"),
            "# net.ipv4.ip_conntrack_max = 1\nnet.ipv4.netfilter.ip_conntrack_tcp_timeout_close=5\n",
        )
        .unwrap();
        let found = find(&root);
        let places: Vec<_> = found
            .iter()
            .map(|it| (&*it.file, it.line, &*it.new))
            .collect();
        assert_eq!(
            places,
            [
                (
                    "/etc/sysctl.d/10-old.conf",
                    2,
                    "net.netfilter.nf_conntrack_tcp_timeout_close"
                ),
                (
                    "/etc/rc.local",
                    2,
                    "/proc/sys/net/netfilter/nf_conntrack_max"
                ),
            ]
        );
    }
}
