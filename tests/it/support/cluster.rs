//! RabbitMQ's own tool, and several nodes of it that are one broker.

use std::fs;
use std::process::Command;

use creditd::sandbox::{Sandbox, SandboxOptions, ServerKind};
use serde_json::Value;

use super::{creditd, wait_until};

/// Runs RabbitMQ's own tool on a sandbox's node. Gives what it printed.
pub(crate) fn control_broker(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let plan = plan(sandbox);
    let mut tool = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
    tool.env("ERL_EPMD_PORT", plan["epmd_port"].to_string()).args(["--quiet", "--node"]);
    tool.args([plan["node"].as_str().unwrap(), "--erlang-cookie", plan["erlang_cookie"].as_str().unwrap()]);
    let output = tool.args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn plan(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(sandbox.endpoints().directory.join("sandbox.json")).unwrap()).unwrap()
}

/// Nodes on this machine that are one broker. The first one's sandbox has the database.
pub(crate) struct Cluster {
    nodes: Vec<Sandbox>,
}

impl Cluster {
    /// So many nodes, with one vhost.
    pub(crate) fn start(count: usize) -> Self {
        let options = || SandboxOptions {
            vhosts: 1,
            rabbitmq_settings: vec!["cluster_partition_handling = pause_minority".to_owned()],
            ..SandboxOptions::default()
        };
        let start = |options| {
            Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh")
        };
        let mut nodes = vec![start(options())];
        for _ in 1..count {
            let join = Some(nodes[0].endpoints().directory.clone());
            nodes.push(start(SandboxOptions { join, ..options() }));
        }
        let cluster = Self { nodes };
        cluster.wait_until_whole();
        cluster
    }

    pub(crate) fn first(&self) -> &Sandbox {
        &self.nodes[0]
    }

    /// How each node is reached, in its vhost.
    pub(crate) fn broker_urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.endpoints().broker_url_of(&node.endpoints().vhosts[0])).collect()
    }

    /// The place of the node that leads the only queue of this name.
    pub(crate) fn leader_of(&self, queue: &str) -> usize {
        let vhost = &self.first().endpoints().vhosts[0];
        let ask = ["list_queues", "--vhost", vhost, "name", "leader"];
        let told = control_broker(self.first(), &ask);
        let node = told.lines().find_map(|line| line.strip_prefix(&format!("{queue}\t")));
        let node = node.unwrap_or_else(|| panic!("{queue} is not in {told:?}"));
        self.nodes.iter().position(|sandbox| plan(sandbox)["node"] == node).expect("it is one of these")
    }

    pub(crate) fn kill(&self, node: usize) {
        self.nodes[node].kill(ServerKind::RabbitMq).unwrap();
    }

    pub(crate) fn start_again(&self, node: usize) {
        self.nodes[node].start_again(ServerKind::RabbitMq).unwrap();
    }

    /// Parts a node from all others, as a network would.
    pub(crate) fn part(&self, node: usize) {
        let part = "[begin erlang:set_cookie(N, parted), erlang:disconnect_node(N) end || N <- nodes()].";
        control_broker(&self.nodes[node], &["eval", part]);
    }

    /// Has it find the others again.
    pub(crate) fn heal(&self, node: usize) {
        let others =
            self.nodes.iter().map(|sandbox| format!("'{}'", plan(sandbox)["node"].as_str().unwrap()));
        let heal = format!(
            "[erlang:set_cookie(N, erlang:get_cookie()) || N <- [{}], N =/= node()].",
            others.collect::<Vec<_>>().join(",")
        );
        control_broker(&self.nodes[node], &["eval", &heal]);
    }

    /// Waits until each node runs and sees all others.
    pub(crate) fn wait_until_whole(&self) {
        let count = self.nodes.len().to_string();
        for node in &self.nodes {
            wait_until("the cluster is whole", || {
                control_broker(node, &["eval", "length(rabbit_nodes:all_running())."]).trim() == count
            });
        }
    }
}
