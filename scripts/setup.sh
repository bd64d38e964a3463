#!/usr/bin/env bash
# Installs what is missing of the server packages that the sandbox runs, and of what the tests of other things than
# code take: Node for the contract's files, Chromium, Python and curl for the API and the dashboard, Prometheus'
# promtool for metrics and alert rules. Nothing is started or enabled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_servers
require_node
require_browser
require_python
require_curl
require_promtool
