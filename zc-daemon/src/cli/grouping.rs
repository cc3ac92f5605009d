//! How `zc run` groups processes.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::PossibleValuesParser};

use super::time;
use crate::{engine::template::BUILT_IN, host::cgroup::HIERARCHIES};

/// Flags of grouping.
#[derive(Clone, Debug, Args)]
pub struct Grouping {
    /// What processes are grouped by; by default a pod, another container, a systemd unit, or
    /// for want of these the program's name.
    #[arg(
        long,
        env = "ZC_GROUP_BY",
        default_value = "default",
        value_parser = PossibleValuesParser::new(BUILT_IN.iter().map(|(name, _)| *name))
    )]
    pub group_by: String,
    /// A TOML file of rules to group by instead; docs/groups.md says how to write it.
    #[arg(long, env = "ZC_GROUP_TEMPLATE", value_name = "FILE", conflicts_with = "group_by")]
    pub group_template: Option<PathBuf>,
    /// Groups to show by name; the rest are summed under "other".
    #[arg(long, env = "ZC_MAX_GROUPS", default_value_t = 200)]
    pub max_groups: usize,
    /// How long the total of a group is shown after its last process has ended, such as 10m or
    /// 30s; then it is added to "other".
    #[arg(long, env = "ZC_GROUP_EXPIRY", value_name = "TIME", default_value = "10m",
          value_parser = time)]
    pub group_expiry: Duration,
    /// The hierarchy of cgroups that tells units and containers [default: v2 if it has any
    /// cgroups, else the first of version 1 that has].
    #[arg(long, env = "ZC_CGROUP_HIERARCHY", value_name = "NAME",
          value_parser = PossibleValuesParser::new(HIERARCHIES))]
    pub cgroup_hierarchy: Option<String>,
    /// Where kubelet keeps the logs of pods, whose names tell the pods'.
    #[arg(long, env = "ZC_POD_LOGS", value_name = "DIR", default_value = "/var/log/pods")]
    pub pod_logs: PathBuf,
}
