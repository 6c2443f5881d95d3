//! kube-proxy: which of conntrack's settings it writes when it starts, and how to tell it what to
//! write.
//!
//! `conntrack` in its `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1): the table's maximum is the
//! larger of `maxPerCore` times the CPUs and `min`.

use super::processes;

/// Programs that run a kube-proxy inside themselves, with the word that makes them do so.
const INSIDE: [(&str, Option<&str>); 3] = [
    ("k3s", Some("server")),
    ("k3s", Some("agent")),
    ("k0s", Some("worker")),
];
/// Settings that have a field of kube-proxy's, by short names.
const FIELDS: [(&str, &str); 5] = [
    (
        "nf_conntrack_tcp_timeout_established",
        "tcpEstablishedTimeout",
    ),
    ("nf_conntrack_tcp_timeout_close_wait", "tcpCloseWaitTimeout"),
    ("nf_conntrack_tcp_be_liberal", "tcpBeLiberal"),
    ("nf_conntrack_udp_timeout", "udpTimeout"),
    ("nf_conntrack_udp_timeout_stream", "udpStreamTimeout"),
];
const MAX: &str = "nf_conntrack_max";

/// A kube-proxy that runs here. It writes in the machine's first namespace only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeProxy {
    /// The program that it runs as, or inside.
    pub program: String,
}

/// A setting as kube-proxy is to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Short name: `nf_conntrack_udp_timeout`.
    pub name: String,
    /// Value; timers in seconds.
    pub value: u64,
}

impl KubeProxy {
    pub(super) fn among(commands: &[Vec<String>]) -> Option<Self> {
        let runs = |command: &&Vec<String>| {
            let program = processes::program(command);
            let inside = |(name, word): &(&str, Option<&str>)| {
                program == Some(name)
                    && word.is_none_or(|word| command.iter().skip(1).any(|it| it == word))
            };
            program == Some("kube-proxy") || INSIDE.iter().any(inside)
        };
        let command = commands.iter().find(runs)?;
        Some(Self {
            program: processes::program(command)?.to_owned(),
        })
    }

    /// kube-proxy has a field for this setting (short name), and what is written beside it is lost when it starts anew.
    #[must_use]
    pub fn owns(name: &str) -> bool {
        name == MAX || FIELDS.iter().any(|(setting, _)| *setting == name)
    }

    /// The part of a `KubeProxyConfiguration` that makes kube-proxy write these settings on a machine
    /// with so many CPUs; settings that it has no field for are left out.
    #[must_use]
    pub fn configuration(wishes: &[Wish], cpus: u32) -> String {
        let mut text = "conntrack:\n".to_owned();
        for wish in wishes {
            if wish.name == MAX {
                let per_core = wish.value.div_ceil(u64::from(cpus.max(1)));
                text += &format!("  maxPerCore: {per_core}\n  min: {}\n", wish.value);
            } else if let Some((name, field)) = FIELDS.iter().find(|(name, _)| *name == wish.name) {
                let value = match *name {
                    "nf_conntrack_tcp_be_liberal" => (wish.value != 0).to_string(),
                    _ => format!("{}s", wish.value),
                };
                text += &format!("  {field}: {value}\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(lines: &[&str]) -> Option<KubeProxy> {
        let words = |line: &&str| line.split(' ').map(str::to_owned).collect();
        KubeProxy::among(&lines.iter().map(words).collect::<Vec<Vec<String>>>())
    }

    #[test]
    fn it_is_found_alone_or_inside_another_program() {
        let alone = among(&["/sbin/init", "/usr/local/bin/kube-proxy --config=/x"]);
        assert_eq!(alone.unwrap().program, "kube-proxy");
        assert!(among(&["/usr/bin/k3s agent"]).is_some());
        assert!(among(&["/usr/bin/k3s kubectl", "vim kube-proxy"]).is_none());
    }

    #[test]
    fn its_configuration_says_what_was_wished() {
        let wish = |name: &str, value| Wish {
            name: name.to_owned(),
            value,
        };
        let wishes = [
            wish("nf_conntrack_max", 100_000),
            wish("nf_conntrack_tcp_timeout_established", 7200),
            wish("nf_conntrack_tcp_timeout_time_wait", 60),
        ];
        assert_eq!(
            KubeProxy::configuration(&wishes, 16),
            "conntrack:\n  maxPerCore: 6250\n  min: 100000\n  tcpEstablishedTimeout: 7200s\n"
        );
        assert!(KubeProxy::owns("nf_conntrack_udp_timeout_stream"));
        assert!(!KubeProxy::owns("nf_conntrack_buckets"));
    }
}
