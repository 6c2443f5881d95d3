//! client – router – server: the router tracks, and masquerades if asked to.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
};

use super::{Change, Held, NetError, Size, Table, tool};
use crate::lab::packet::Side;

/// The router's IPv4 address on the server's side, which is every masqueraded client's.
pub const MASQUERADE4: Ipv4Addr = Ipv4Addr::new(10, 127, 0, 1);
/// The router's IPv6 address on the server's side, which is every masqueraded client's.
pub const MASQUERADE6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0xff, 0, 0, 0, 0, 0, 1);

/// Not there in a kernel without IPv6, or one that was told to be.
const IPV6: &str = "/proc/sys/net/ipv6";

/// Name of the interface at both ends.
pub const END: &str = "end";
/// The router's interfaces are named by whom they lead to.
const ROUTER: [&str; 2] = ["client", "server"];

/// Hardware addresses of the lab's interfaces, and of nobody.
pub mod mac {
    /// The client's.
    pub const CLIENT: [u8; 6] = [2, 0x77, 0, 0, 1, 1];
    /// The router's, towards the client.
    pub const NEAR: [u8; 6] = [2, 0x77, 0, 0, 1, 2];
    /// The router's, towards the server.
    pub const FAR: [u8; 6] = [2, 0x77, 0, 0, 2, 2];
    /// The server's.
    pub const SERVER: [u8; 6] = [2, 0x77, 0, 0, 2, 1];
    /// No interface has it: what the router forwards there ends there, before anything looks at it.
    pub const NOBODY: [u8; 6] = [2, 0x77, 0, 0, 0, 0x99];
}

/// What a scenario asks of the router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Clients are masqueraded.
    pub masquerade: bool,
    /// Sysctls of the router's namespace, named without their prefix `net.netfilter.nf_conntrack_`.
    pub sysctls: Vec<(String, u64)>,
    /// The table's entries at most, for the whole machine while the lab is there.
    pub max: Option<Size>,
    /// The table's buckets, likewise.
    pub buckets: Option<Size>,
    /// There are connections over IPv6, which a kernel may be without.
    pub ipv6: bool,
}

/// The three namespaces, with interfaces, routes and rules. Nothing of it outlives this value or the
/// process.
#[derive(Debug)]
pub struct Topology {
    /// Opens connections.
    pub client: Held,
    /// Tracks.
    pub router: Held,
    /// Answers.
    pub server: Held,
    masquerade: bool,
    ipv6: bool,
    _table: Option<Table>,
}

impl Topology {
    /// Makes it.
    ///
    /// # Errors
    /// When the system refuses, or a program is missing.
    pub fn create(settings: &Settings) -> Result<Self, NetError> {
        Self::create_telling(settings, |_| ())
    }

    /// Makes it. Before the table's size is changed, which is that of the whole machine, `tell` hears
    /// of it.
    ///
    /// # Errors
    /// When the system refuses, a program is missing, or the machine needs its table itself.
    pub fn create_telling(
        settings: &Settings,
        tell: impl FnOnce(&Change),
    ) -> Result<Self, NetError> {
        // Before anything is made, it is known whether it can be furnished.
        for name in ["ip", "nft"] {
            tool(name)?;
        }
        let ipv6 = Path::new(IPV6).exists();
        if settings.ipv6 && !ipv6 {
            return Err(NetError::NoIpv6);
        }
        let made = Self {
            client: Held::create("client")?,
            router: Held::create("router")?,
            server: Held::create("server")?,
            masquerade: settings.masquerade,
            ipv6,
            _table: None,
        };
        made.silence()?;
        made.links()?;
        made.routes()?;
        // The router's rule has loaded conntrack, if it was not.
        let table = match (settings.max, settings.buckets) {
            (None, None) => None,
            (max, buckets) => {
                let max = max.unwrap_or(Size::AtLeast(0));
                Some(Table::resize(max, buckets, tell)?)
            }
        };
        let name = |name: &str| format!("net.netfilter.nf_conntrack_{name}");
        for (sysctl, value) in &settings.sysctls {
            made.router.set_sysctl(&name(sysctl), &value.to_string())?;
        }
        Ok(Self {
            _table: table,
            ..made
        })
    }

    /// The namespace of an end.
    #[must_use]
    pub fn end(&self, side: Side) -> &Held {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Clients are masqueraded.
    #[must_use]
    pub fn masquerades(&self) -> bool {
        self.masquerade
    }

    /// Nobody but the lab sends anything: no discovery, no error, no answer.
    fn silence(&self) -> Result<(), NetError> {
        self.router.set_sysctls(&[
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.default.rp_filter", "0"),
            ("net.ipv4.ip_forward", "1"),
        ])?;
        if self.ipv6 {
            for end in [&self.client, &self.server] {
                let without = |scope| format!("net.ipv6.conf.{scope}.disable_ipv6");
                end.set_sysctls(&[(&without("all"), "1"), (&without("default"), "1")])?;
            }
            self.router.set_sysctls(&[
                ("net.ipv6.conf.default.addr_gen_mode", "1"),
                ("net.ipv6.conf.default.accept_ra", "0"),
                ("net.ipv6.conf.default.accept_dad", "0"),
                ("net.ipv6.conf.default.router_solicitations", "0"),
                ("net.ipv6.conf.all.forwarding", "1"),
            ])?;
        }
        let masquerade = if self.masquerade {
            "chain post {
                type nat hook postrouting priority 100
                oifname \"server\" masquerade
            }"
        } else {
            ""
        };
        // The rule with `ct` is what switches tracking on. The router itself neither takes nor sends
        // anything, so that no packet is answered by it.
        let rules = format!(
            "table inet lab {{
                chain forward {{
                    type filter hook forward priority 0
                    ct state established accept
                }}
                chain in {{ type filter hook input priority 0; policy drop; }}
                chain out {{ type filter hook output priority 0; policy drop; }}
                {masquerade}
            }}"
        );
        self.router.nft(&rules).map(|_| ())
    }

    /// Made inside the ends, so that no interface is ever anywhere else.
    fn links(&self) -> Result<(), NetError> {
        let router = self.router.path().display();
        let ends = [
            (&self.client, mac::CLIENT, ROUTER[0], mac::NEAR),
            (&self.server, mac::SERVER, ROUTER[1], mac::FAR),
        ];
        for (end, own, peer, theirs) in ends {
            let (own, theirs) = (text(own), text(theirs));
            end.ip(&format!(
                "link add {END} mtu 65535 address {own} type veth peer name {peer} mtu 65535 address {theirs} netns {router}\n\
                 link set {END} up\n"
            ))?;
        }
        Ok(())
    }

    /// One route and one neighbour each way; neither is ever looked for.
    fn routes(&self) -> Result<(), NetError> {
        let [near, far] = ROUTER;
        let nobody = text(mac::NOBODY);
        let mut commands = format!(
            "link set {near} up\nlink set {far} up\n\
             addr add {MASQUERADE4}/32 dev {far}\n"
        );
        if self.ipv6 {
            commands += &format!("addr add {MASQUERADE6}/128 dev {far} nodad\n");
        }
        let ways = [
            (
                near,
                "10.64.0.0/10",
                "10.127.255.254",
                "fd77:1::/32",
                "fe80::c",
            ),
            (
                far,
                "10.128.0.0/10",
                "10.191.255.254",
                "fd77:2::/32",
                "fe80::5",
            ),
        ];
        for (device, net4, via4, net6, via6) in ways {
            commands += &format!(
                "neigh add {via4} lladdr {nobody} dev {device} nud permanent\n\
                 route add {net4} via {via4} dev {device} onlink\n"
            );
            if self.ipv6 {
                commands += &format!(
                    "neigh add {via6} lladdr {nobody} dev {device} nud permanent\n\
                     route add {net6} via {via6} dev {device}\n"
                );
            }
        }
        self.router.ip(&commands)
    }
}

/// As `ip` reads it.
fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_written_as_ip_reads_them() {
        assert_eq!(text(mac::NOBODY), "02:77:00:00:00:99");
    }
}
