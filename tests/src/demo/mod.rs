//! Web traffic for the demo: what a busy site behind a masquerading router sees in a quarter of an hour.

mod clients;
mod http;
mod servers;
mod tally;

use std::time::Duration;

use crate::net::{NetError, Topology};

pub use clients::CUT;
pub use tally::Tally;

/// What can go wrong in the demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The namespaces refuse.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Sockets or threads cannot be had.
    #[error(
        "{what}: {source}. Look for another process in the demo's namespaces, or run teardown and setup"
    )]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The servers ended before the clients.
    #[error("the demo's servers stopped early. Run teardown and setup, then try again")]
    Servers,
}

/// Makes the traffic for `length`, at a share `load` of the full rate, and says what was made. One thread in the server's namespace, one in the client's.
pub fn run(
    topology: &Topology,
    length: Duration,
    load: f64,
    seed: u64,
) -> Result<Tally, DemoError> {
    std::thread::scope(|scope| {
        let (up, ready) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let server = scope.spawn(move || {
            topology.server.enter()?;
            runtime()?.block_on(servers::serve(up, stopped))
        });
        let answered = if ready.recv().is_ok() {
            let client = scope.spawn(move || {
                topology.client.enter()?;
                runtime()?.block_on(clients::browse(length, load, seed))
            });
            client.join().unwrap_or(Err(DemoError::Servers))
        } else {
            Err(DemoError::Servers)
        };
        // The servers may be gone already; their own result tells.
        let _ = stop.send(());
        server.join().unwrap_or(Err(DemoError::Servers))?;
        answered
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, DemoError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| DemoError::Io {
            what: "no event loop",
            source,
        })
}
