#!/usr/bin/env bash
# What the dependencies are: banned crates and wildcard versions, licenses, sources, and, where the database can be
# fetched, known vulnerabilities.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_toolchain
if ! cargo deny --version >/dev/null 2>&1; then
    say "installing cargo-deny (some minutes, once)"
    cargo install --locked cargo-deny@0.20.2
fi

step "bans, licenses, sources" cargo deny --locked check bans licenses sources
if timeout 120 cargo deny fetch db >/dev/null 2>&1 </dev/null; then
    step "advisories" cargo deny --locked check advisories
else
    complain "advisories: NOT CHECKED, their database can't be reached from here"
fi
print_steps
