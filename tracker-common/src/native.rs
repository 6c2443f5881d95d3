//! How the hooks' inner functions are timed without a hook.

/// Calls of the timed function in one run of a program.
pub const CALLS: u32 = 64;

/// What is timed, by the names of the programs; the first calls nothing.
pub const PROGRAMS: [&str; 4] = [
    "time_nothing",
    "time_bucket",
    "time_armed_tcp",
    "time_armed_udp",
];
