#!/bin/sh
# docs/operations/audit-archive.md
set -eu
root=$(dirname -- "$0")/..
exec "$root/node_modules/.bin/node" "$root/scripts/sync-audit.ts" "$@"
