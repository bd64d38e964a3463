#!/usr/bin/env bash
# Writes to .sqlx what the compiler needs to check the queries without a database. With --check it only says
# whether that is current. Needs neither sqlx-cli nor a creditd that compiles: a PostgreSQL of its own, reached
# by a socket in a private directory, gets the migrations from psql.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

case "${1-}" in
'') check=false ;;
--check) check=true ;;
*)
    complain "usage: scripts/sqlx-prepare.sh [--check]"
    exit 2
    ;;
esac

require_toolchain
require_servers

# In /tmp whatever TMPDIR says: the path of a socket is limited to 107 bytes.
work=$(mktemp -d /tmp/creditd-sqlx-XXXXXX)
server=
finish() {
    if [[ -n $server ]] && kill -QUIT "$server" 2>/dev/null; then wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# PostgreSQL refuses root, and dies with this script.
as_postgres=(setpriv --pdeathsig QUIT)
mkdir "$work/server" "$work/queries"
if ((EUID == 0)); then
    as_postgres+=(--reuid postgres --regid postgres --clear-groups)
    chmod 711 "$work"
    chown postgres: "$work/server"
fi
chmod 700 "$work/server"

binaries=$(compgen -G '/usr/lib/postgresql/*/bin' | sort --version-sort | tail -n 1 || true)
PATH=${binaries:+$binaries:}$PATH

(
    cd "$work/server"
    "${as_postgres[@]}" initdb --pgdata data --username creditd --auth trust --encoding UTF8 --locale C.UTF-8 \
        --no-sync >output 2>&1 || { cat output >&2; exit 1; }
)
(
    cd "$work/server"
    exec "${as_postgres[@]}" postgres -D data -k "$work/server" -c listen_addresses= -c fsync=off
) >"$work/output" 2>&1 </dev/null &
server=$!
until pg_isready --quiet --host "$work/server"; do
    if ! kill -0 "$server" 2>/dev/null; then
        complain "PostgreSQL didn't start: $(tail -n 5 "$work/output")"
        exit 1
    fi
    sleep 0.05
done

psql=(psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --host "$work/server" --username creditd)
"${psql[@]}" --dbname postgres --command 'CREATE DATABASE creditd' --output /dev/null
"${psql[@]}" --dbname creditd --command 'CREATE SCHEMA creditd'
for migration in migrations/*.sql; do
    [[ -e $migration ]] || continue
    PGOPTIONS='-c search_path=creditd' "${psql[@]}" --dbname creditd --single-transaction --file "$migration" \
        --output /dev/null
done

# The macros run when the crates that hold them are compiled, so these are made to look changed. The
# environment wins over SQLX_OFFLINE in .cargo/config.toml.
for root in src/lib.rs src/main.rs tests/it/main.rs; do [[ ! -e $root ]] || touch "$root"; done
SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$work/queries \
    DATABASE_URL="postgres://creditd@localhost/creditd?host=$work/server&options=-csearch_path%3Dcreditd" \
    cargo check --quiet --locked --all-targets

mkdir -p .sqlx
if diff --recursive --brief .sqlx "$work/queries" >"$work/differences"; then
    echo ".sqlx is current: $(find .sqlx -name 'query-*.json' | wc -l) queries"
    exit 0
fi
if $check; then
    complain ".sqlx isn't current; run scripts/sqlx-prepare.sh and commit .sqlx:"
    sed "s#$work/queries#the source#; s#^#    #" "$work/differences" >&2
    exit 1
fi
rm -f .sqlx/query-*.json
find "$work/queries" -name 'query-*.json' -exec cp -t .sqlx {} +
echo ".sqlx is written: $(find .sqlx -name 'query-*.json' | wc -l) queries"
