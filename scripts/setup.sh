#!/usr/bin/env bash
# Installs what is missing of the server packages that the sandbox runs, of Node, which the contract's files are
# checked with, and of Prometheus, whose promtool checks metrics and alert rules. Nothing is started or enabled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_servers
require_node
require_promtool
