#!/bin/sh
# Brings a lost host back: ./scripts/restore-host.sh --help. Installs Node where there is none.
set -eu
exec "$(dirname -- "$0")/../bootstrap/run.sh" --restore "$@"
