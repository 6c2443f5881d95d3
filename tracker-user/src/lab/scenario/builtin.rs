//! Scenarios that come with tracker.

/// A scenario's file within the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

/// Declares them by name; each lies in a file of that name.
macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// All of them.
        pub const BUILTIN: &[Builtin] = &[$(Builtin {
            name: $name,
            text: include_str!(concat!("builtin/", $name, ".toml")),
        },)*];
    };
}

builtin! {
    "web-short",
    "web-keepalive",
    "websocket",
    "dns",
    "quic",
    "db-pool",
    "half-close",
    "health-check",
    "mobile-vanish",
    "port-scan",
    "syn-flood",
    "udp-flood",
    "icmp-flood",
    "ack-flood",
    "fin-flood",
    "mixed",
    "table-full",
}
