//! client – router – server: the router tracks and masquerades.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Hush, NetError, Netns, tool};

/// The client's IPv4 address.
pub const CLIENT4: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 2);
/// The router's IPv4 address on the server's side, which is the client's as the server sees it.
pub const ROUTER4: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
/// The server's IPv4 address.
pub const SERVER4: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 2);
/// An IPv4 address beside the server that swallows every packet.
pub const DEAD4: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 99);
/// The client's IPv6 address.
pub const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd77, 1, 0, 0, 0, 0, 0, 2);
/// The server's IPv6 address.
pub const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfd77, 2, 0, 0, 0, 0, 0, 2);
/// An IPv6 address beside the server that swallows every packet.
pub const DEAD6: Ipv6Addr = Ipv6Addr::new(0xfd77, 2, 0, 0, 0, 0, 0, 0x99);

/// Hardware address of the dead hosts: no interface has it, so what is sent there ends there, without an answer.
const NOBODY: &str = "02:00:00:00:00:99";

/// The three places of a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Opens connections.
    Client,
    /// Tracks and masquerades.
    Router,
    /// Answers.
    Server,
}

/// Three namespaces, named `PREFIX-client`, `PREFIX-router` and `PREFIX-server`.
#[derive(Debug)]
pub struct Topology {
    /// Opens connections.
    pub client: Netns,
    /// Tracks and masquerades.
    pub router: Netns,
    /// Answers.
    pub server: Netns,
    owned: bool,
}

impl Topology {
    /// Makes the topology anew, after removing leftovers of the same prefix. Dropping it removes it.
    pub fn create(prefix: &str) -> Result<Self, NetError> {
        sweep(prefix)?;
        let mut made = Self::attach(prefix);
        made.owned = true;
        for place in [&made.client, &made.router, &made.server] {
            Netns::create(place.name())?;
            // Link-local addresses would only add packets of their own.
            place.set_sysctl("net.ipv6.conf.default.addr_gen_mode", "1")?;
        }
        made.links()?;
        made.router.set_sysctl("net.ipv4.ip_forward", "1")?;
        made.router
            .set_sysctl("net.ipv6.conf.all.forwarding", "1")?;
        made.client.set_sysctl("net.ipv4.ping_group_range", "0 0")?;
        Ok(made)
    }

    /// A topology that is there already; dropping this leaves it.
    #[must_use]
    pub fn attach(prefix: &str) -> Self {
        let place = |role: &str| Netns::named(&format!("{prefix}-{role}"));
        Self {
            client: place("client"),
            router: place("router"),
            server: place("server"),
            owned: false,
        }
    }

    /// Leaves the topology in place when this is dropped.
    pub fn keep(mut self) {
        self.owned = false;
    }

    /// Whether all three namespaces are still there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        [&self.client, &self.router, &self.server]
            .iter()
            .all(|place| place.path().exists())
    }

    /// The namespace of a role.
    #[must_use]
    pub fn place(&self, role: Role) -> &Netns {
        match role {
            Role::Client => &self.client,
            Role::Router => &self.router,
            Role::Server => &self.server,
        }
    }

    /// Adds the rules that make the router track and masquerade.
    pub fn track(&self) -> Result<(), NetError> {
        self.router
            .nft(
                "table inet tracker {
                    chain forward {
                        type filter hook forward priority 0
                        ct state established accept
                    }
                    chain post {
                        type nat hook postrouting priority 100
                        oifname \"outer\" masquerade
                    }
                }",
            )
            .map(|_| ())
    }

    /// Makes the client drop all that its sockets with this mark send: the link of such a socket is cut.
    pub fn cut_marked(&self, mark: u32) -> Result<(), NetError> {
        self.client
            .nft(&format!(
                "table inet cut {{\n chain out {{\n type filter hook output priority 0\n meta mark {mark} drop\n }}\n}}\n"
            ))
            .map(|_| ())
    }

    /// Keeps both ends from answering segments that no socket waits for.
    pub fn hush(&self) -> Result<Hush, NetError> {
        Hush::at([self.client.clone(), self.server.clone()])
    }

    /// Makes both ends acknowledge each segment at once: then no timer is left behind an exchange, and its packets
    /// stay together.
    pub fn acknowledge_at_once(&self) -> Result<(), NetError> {
        self.client.ip(
            "route replace default via 10.77.1.1 quickack 1\nroute replace default via fd77:1::1 quickack 1\n",
        )?;
        // Masqueraded clients have the router's address, on the server's own network.
        self.server.ip(
            "route replace 10.77.2.0/24 dev inner quickack 1\nroute replace fd77:2::/64 dev inner quickack 1\n",
        )
    }

    /// Fixed hardware addresses and neighbours: no packet ever waits for, or is beside, a neighbour's discovery.
    fn links(&self) -> Result<(), NetError> {
        let (client, router, server) = (self.client.name(), self.router.name(), self.server.name());
        let mac = |number| format!("02:77:00:00:00:{number:02}");
        let (at_client, near, far, at_server) = (mac(1), mac(2), mac(3), mac(4));
        tool("ip")?.feed(
            "-batch -",
            &format!(
                "link add outer address {at_client} netns {client} type veth peer name inner address {near} netns {router}\n\
                 link add outer address {far} netns {router} type veth peer name inner address {at_server} netns {server}\n"
            ),
        )?;
        self.client.ip(&format!(
            "addr add {CLIENT4}/24 dev outer\naddr add {CLIENT6}/64 dev outer nodad\nlink set outer up\n\
             neigh add 10.77.1.1 lladdr {near} dev outer nud permanent\n\
             neigh add fd77:1::1 lladdr {near} dev outer nud permanent\n\
             route add default via 10.77.1.1\nroute add default via fd77:1::1\n"
        ))?;
        self.router.ip(&format!(
            "addr add 10.77.1.1/24 dev inner\naddr add fd77:1::1/64 dev inner nodad\nlink set inner up\n\
             addr add 10.77.2.1/24 dev outer\naddr add fd77:2::1/64 dev outer nodad\nlink set outer up\n\
             neigh add {CLIENT4} lladdr {at_client} dev inner nud permanent\n\
             neigh add {CLIENT6} lladdr {at_client} dev inner nud permanent\n\
             neigh add {SERVER4} lladdr {at_server} dev outer nud permanent\n\
             neigh add {SERVER6} lladdr {at_server} dev outer nud permanent\n\
             neigh add {DEAD4} lladdr {NOBODY} dev outer nud permanent\n\
             neigh add {DEAD6} lladdr {NOBODY} dev outer nud permanent\n"
        ))?;
        self.server.ip(&format!(
            "addr add {SERVER4}/24 dev inner\naddr add {SERVER6}/64 dev inner nodad\nlink set inner up\n\
             neigh add 10.77.2.1 lladdr {far} dev inner nud permanent\n\
             neigh add fd77:2::1 lladdr {far} dev inner nud permanent\n\
             route add default via 10.77.2.1\nroute add default via fd77:2::1\n"
        ))
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        if self.owned {
            for place in [&self.client, &self.router, &self.server] {
                // What a case has deleted itself is not there any more.
                let _ = place.delete();
            }
        }
    }
}

/// Removes namespaces of an earlier run that ended without cleaning up.
pub fn sweep(prefix: &str) -> Result<(), NetError> {
    let listed = tool("ip")?.run("netns list")?;
    for name in listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        if ["client", "router", "server"]
            .iter()
            .any(|role| name == format!("{prefix}-{role}"))
        {
            Netns::named(name).delete()?;
        }
    }
    Ok(())
}
