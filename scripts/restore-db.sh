#!/bin/sh
# scripts/restore-db.ts, for those who call it by this name.
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
exec "$here/../node_modules/.bin/node" "$here/restore-db.ts" "$@"
