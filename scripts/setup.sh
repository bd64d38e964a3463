#!/usr/bin/env bash
# Installs the server packages that the sandbox runs, where they are missing. Nothing is started or enabled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_servers
