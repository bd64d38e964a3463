#!/usr/bin/env bash
# The contract's files in docs: that they are what the types say, and that the public AsyncAPI parser and JSON
# Schema validator take them and the examples.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_toolchain
require_node

# Beside what is built, so that the clone stays clean. `npm ci` takes exactly what the lock file names; no
# package's own scripts are run.
install_tools() {
    mkdir -p "$tools"
    cp scripts/contract/* "$tools"
    if cmp --silent "$tools/package-lock.json" "$tools/installed.json"; then return; fi
    rm -f "$tools/installed.json"
    (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund)
    cp "$tools/package-lock.json" "$tools/installed.json"
}

tools=$(target_directory)/contract-tools
step "creditd" cargo build --locked
step "the contract's files are current" "$(target_directory)/debug/creditd" contract check docs
step "the tools" install_tools
step "the public validators" node "$tools/check.mjs" docs
print_steps
