#!/bin/sh
# The least a bare host must fetch and install to run the stack, one thing after the other: what the bootstrap's time is measured against.
# Usage: floor.sh "PACKAGE …" IMAGE…
set -eu
export DEBIAN_FRONTEND=noninteractive
packages=$1
shift

began=$(date +%s.%N)
lap() {
    now=$(date +%s.%N)
    echo "$1 $(echo "$began $now" | awk '{ printf "%.1f", $2 - $1 }')"
    began=$now
}

apt-get -q update >&2
# shellcheck disable=SC2086
apt-get -yq --no-install-recommends install $packages >&2
lap packages
cd /opt/whatsapp-mcp
npm ci --omit=dev --no-audit --no-fund --loglevel=error >&2
lap modules
systemctl enable --now docker >&2
lap docker
for image in "$@"; do
    docker pull --quiet "$image" >&2
done
lap images
