#!/usr/bin/env bash
# What a browser and other programs see of the HTTP port, on a demo's ledger: the OpenAPI document by a public
# validator, the API by schemathesis and by curl as docs/api.md says, the dashboard in a headless Chromium by axe-core,
# keyboard and eye. Pictures of all pages are left in target/web.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_toolchain
require_servers
require_browser
require_python
require_node
require_curl

target=$(target_directory)
creditd=$target/debug/creditd
tools=$target/web-tools
python=$tools/python/bin/python
export CREDITD_WEB_TOOLS=$tools CREDITD_WEB_PICTURES=$target/web PYTHONDONTWRITEBYTECODE=1

# Beside what is built, so that the clone stays clean. Only what the files name is taken, and no package's own
# scripts are run. Where the clone was moved they are installed anew: a virtual environment's programs name its place.
install_tools() {
    mkdir -p "$tools" || return
    { echo "$tools" && cat tests/web/requirements.txt tests/web/package-lock.json; } >"$tools/wanted"
    if cmp --silent "$tools/wanted" "$tools/installed" && "$python" -c ''; then return; fi
    rm -rf "$tools/installed" "$tools/python"
    cp tests/web/package.json tests/web/package-lock.json "$tools" &&
        (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund) &&
        python3 -m venv "$tools/python" &&
        "$python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary :all: \
            --requirement tests/web/requirements.txt &&
        "$python" -m pip --disable-pip-version-check check &&
        mv "$tools/wanted" "$tools/installed"
}

# The demo's ledger, and what it lacks: an account over its limit, the longest words, nothing at all.
fill_ledger() {
    start_servers && start_daemon && publish --seed 1 --projects 500 && publish --file tests/web/corners.jsonl &&
        CREDITD_WEB=$(http_address daemon)
}

# Another daemon on the same ledger, which stands by and answers those who have a token.
start_guarded() {
    local file=$work/tokens.toml
    CREDITD_WEB_TOKEN_ACCOUNT=northlight-film
    CREDITD_WEB_TOKEN=$("$creditd" token new --file "$file" --scope "account:$CREDITD_WEB_TOKEN_ACCOUNT") || return
    CREDITD__HTTP__LISTEN=127.0.0.1:0 CREDITD__HTTP__TOKENS_FILE=$file in_background guarded "$creditd" run
    wait_for_log guarded 'answering HTTP'
    CREDITD_WEB_GUARDED=$(http_address guarded)
}

http_address() { sed -n 's/.*"answering HTTP","address":"\([^"]*\)".*/http:\/\/\1/p' "$work/$1.log"; }

# hold_to_document CASES ARGUMENT...: asks the API what its document allows, and what it doesn't.
hold_to_document() {
    local cases=$1
    shift
    (cd "$work" && "$tools/python/bin/schemathesis" --config-file "$OLDPWD/tests/web/schemathesis.toml" \
        run --no-color --warnings off --max-examples "$cases" "$@")
}

in_browser() {
    (cd tests/web && HOME=$work/home TMPDIR=$work/home "$python" -m pytest)
}

# Each line of docs/api.md that begins with curl, as it stands there but for the port, on a ledger that has what they
# speak of. One that is answered by a problem fails.
ask_as_written() {
    local place=$work/curl lines line address
    mkdir "$place"
    printf '%s\n' fail-with-body silent show-error >"$place/.curlrc"
    printf 'Authorization: Bearer %s\n' "$CREDITD_WEB_TOKEN" >"$place/header"
    "$creditd" organization open acme --capacity 100 --actor tests || return
    "$creditd" account open studio --capacity 100 --actor tests || return
    publish --file <(printf '%s\n' '{"specversion": "1.0", "source": "/tests", "id": "spring-1",
        "type": "project.status_changed.v1", "data": {"project_id": "2026/spring", "account_id": "studio",
        "revision": 1, "status": "started", "credits": 20}}' | tr -d '\n') || return
    mapfile -t lines < <(grep '^curl ' docs/api.md)
    for line in "${lines[@]}"; do
        address=$CREDITD_WEB
        if [[ $line == *@header* ]]; then address=$CREDITD_WEB_GUARDED; fi
        printf '\n$ %s\n' "$line"
        (cd "$place" && CURL_HOME=$place bash -c "${line//http:\/\/127.0.0.1:8080/$address}") || return
    done
    # One of them fetches a report, which is to have a name of its own.
    ls "$place"/usage-studio-*.csv
}

make_work web
mkdir "$work/home"
step "creditd" cargo build --locked
step "the tools" install_tools
step "a ledger" fill_ledger
step "a daemon with tokens" start_guarded
export CREDITD=$creditd CREDITD_WEB CREDITD_WEB_GUARDED CREDITD_WEB_TOKEN CREDITD_WEB_TOKEN_ACCOUNT
step "the document is OpenAPI" "$python" -m openapi_spec_validator docs/openapi.json
step "the API is what its document says" hold_to_document 50 "$CREDITD_WEB/openapi.json"
step "so it is to who sees one account" hold_to_document 10 "$CREDITD_WEB_GUARDED/openapi.json" \
    --header "Authorization: Bearer $CREDITD_WEB_TOKEN"
step "so it is to who sees nothing" hold_to_document 5 "$CREDITD_WEB_GUARDED/openapi.json"
step "the dashboard in Chromium" in_browser
step "the examples of docs/api.md" ask_as_written
if [[ -x scripts/test-monitoring.sh ]]; then step "what is scraped" scripts/test-monitoring.sh "$CREDITD_WEB/metrics"; fi
print_steps
say "pictures of the pages"
ls "$CREDITD_WEB_PICTURES"/*.png
