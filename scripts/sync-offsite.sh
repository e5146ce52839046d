#!/bin/sh
# Sends backups to another place: see sync-offsite.ts --help.
set -eu
cd -- "$(dirname -- "$0")/.."
exec node_modules/.bin/node scripts/sync-offsite.ts "$@"
