#!/usr/bin/env bash
# What Prometheus makes of creditd: its alert rules, their tests, and the figures, all by promtool. With the URL of
# a running daemon's /metrics the figures are scraped from there, else they are those of a test that fills each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

if (($# > 1)) || [[ ${1-} == -* ]]; then
    complain "usage: scripts/test-monitoring.sh [http://ADDRESS:PORT/metrics]"
    exit 2
fi
url=${1-}

require_toolchain
require_promtool

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

rules() { (cd docs/monitoring && promtool check rules creditd.rules.yml); }
rule_tests() { (cd docs/monitoring && promtool test rules creditd.rules.test.yml); }

fetch() {
    if [[ -n $url ]]; then
        curl --fail --silent --show-error --max-time 30 --output "$work/metrics" "$url"
    else
        CREDITD_TEST_METRICS_FILE=$work/metrics cargo test --locked --quiet --lib \
            every_figure_that_is_registered_is_rendered >/dev/null
    fi
    [[ -s $work/metrics ]] || { complain "no figures came"; return 1; }
}

# promtool exits with 0 for some of what it finds fault with, but never without a word.
figures() {
    promtool check metrics <"$work/metrics" >"$work/said" 2>&1 || { cat "$work/said" >&2; return 1; }
    if [[ -s $work/said ]]; then
        cat "$work/said" >&2
        return 1
    fi
    printf '%s figures in %s series\n' "$(grep -c '^# TYPE' "$work/metrics")" "$(grep -cv '^#' "$work/metrics")"
}

step "alert rules" rules
step "tests of the alert rules" rule_tests
step "the figures${url:+ from $url}" fetch
step "promtool takes the figures" figures
print_steps
