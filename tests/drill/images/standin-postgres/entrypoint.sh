#!/bin/sh
# Keeps the contract of the official image's entry point, as far as the stack relies on it.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    install -d -o 70 -g 70 -m 0700 "$PGDATA"
    exec setpriv --reuid=70 --regid=70 --clear-groups "$0" "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    grep -q ' /var/lib/postgresql/data ' /proc/self/mounts && fail 'mount /var/lib/postgresql, not its data directory'
    [ -n "${POSTGRES_PASSWORD_FILE:-}" ] || fail 'POSTGRES_PASSWORD_FILE is not set'
    [ -r "$POSTGRES_PASSWORD_FILE" ] || fail "$POSTGRES_PASSWORD_FILE cannot be read by uid $(id -u)"
    install -d -m 0700 "$PGDATA"
    # The arguments are the operator's own words, split as the official image splits them.
    # shellcheck disable=SC2086
    initdb --username="$user" --pwfile="$POSTGRES_PASSWORD_FILE" --set listen_addresses='*' ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
    # Reachable by the unix socket alone until the database exists.
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
    if [ "$database" != postgres ]; then
        psql -v ON_ERROR_STOP=1 -v name="$database" --username "$user" --dbname postgres <<'SQL'
CREATE DATABASE :"name";
SQL
    fi
    for file in /docker-entrypoint-initdb.d/*.sql; do
        [ -f "$file" ] || continue
        psql -v ON_ERROR_STOP=1 --username "$user" --dbname "$database" -f "$file"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
fi

exec "$@"
