//! `tracker recommend`.

use std::path::PathBuf;

use super::{Exit, print, write_file};
use crate::{
    analysis::advice::{self, Plan, Policy, Request, Warning},
    kernel::{Root, legacy, machine},
    recording::Recording,
    report::{
        Style,
        plan::{self, Format},
    },
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Recordings, as tracker profile writes them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What binds beside the evidence
    #[arg(long, value_name = "POLICY", default_value = "balanced")]
    policy: Policy,
    /// Share of connections that a lower timeout may cut, at most
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4, value_parser = share)]
    max_harm: f64,
    /// Memory that the table may take, such as 512MiB [default: a share of the machine's]
    #[arg(long, value_name = "BYTES", value_parser = units::parse_bytes)]
    memory: Option<u64>,
    /// How many times the traffic that was seen the table is to have room for
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    growth: f64,
    /// The same for taking over another machine's traffic: 2 for a pair of equals
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    failover: f64,
    /// How to print the plan
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// File to write the plan to, in place of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Prints the plan.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let recordings = args
        .files
        .iter()
        .map(|file| Recording::open(file))
        .collect::<Result<Vec<_>, _>>()?;
    let request = Request {
        policy: args.policy,
        max_harm: args.max_harm,
        memory: args.memory,
        growth: args.growth,
        failover: args.failover,
    };
    let mut plan = advice::plan(&recordings, &request);
    if args.format == Format::Sysctl {
        plan.warnings.extend(old_names(&plan, &Root::machine()));
    }
    let style = if args.output.is_some() {
        Style::default()
    } else {
        Style::of(&std::io::stdout())
    };
    let text = plan::render(&plan, args.format, &style);
    match &args.output {
        Some(path) => write_file(path, &text)?,
        None => print(&text)?,
    }
    Ok(Exit::Done)
}

/// What this machine's files set under names of long ago, if it is the machine that was watched: none
/// of it has an effect, so it belongs into the new file.
fn old_names(plan: &Plan, root: &Root) -> Option<Warning> {
    plan.machine.id.as_ref()?;
    if machine::identity(root) != plan.machine.id {
        return None;
    }
    let lines: Vec<String> = legacy::find(root)
        .into_iter()
        .map(|it| format!("{}:{}: {} is {} now", it.file, it.line, it.old, it.new))
        .collect();
    (!lines.is_empty()).then_some(Warning::Legacy(lines))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // A bound that less is asked of takes more connections than any machine has.
        Ok(share) if (1e-12..1.0).contains(&share) => Ok(share),
        _ => Err(
            "not a share between 0 and 1. Give for example 1e-4, one connection in 10,000"
                .to_owned(),
        ),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=1000.0).contains(&factor) => Ok(factor),
        _ => Err(
            "not a factor from 1 to 1000. Give for example 1.5 for half as much again".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_stand_in_files_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let write =
            |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        write(
            "etc/rc.local",
            "#!/bin/sh\nsysctl -w net.ipv4.ip_conntrack_max=65536\n",
        );
        let root = Root::at(folder.path());
        let mut plan = advice::plan(&[], &Request::default());
        assert_eq!(old_names(&plan, &root), None);
        plan.machine.id = machine::identity(&root);
        let said = old_names(&plan, &root).unwrap().to_string();
        assert!(
            said.contains(
                "/etc/rc.local:2: net.ipv4.ip_conntrack_max is net.netfilter.nf_conntrack_max now"
            ) && !said.contains("//"),
            "{said}"
        );
    }
}
