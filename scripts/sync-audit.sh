#!/bin/sh
# scripts/sync-audit.ts, for those who call it by this name.
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
exec "$here/../node_modules/.bin/node" "$here/sync-audit.ts" "$@"
