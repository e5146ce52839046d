#!/bin/sh
# The only part that needs neither Node nor packages: finds or installs both, then hands over to bootstrap/all.ts.
set -eu

usage() {
    cat <<'TEXT'
Usage: ./bootstrap/run.sh [options of bootstrap/all.ts]
       ./bootstrap/run.sh --local      try it out: no root, no Docker, no domain
       ./bootstrap/run.sh --test       install what the tests need and run them
       ./bootstrap/run.sh --restore …  bring a lost host back (scripts/restore-host.ts)

Installs Node (as root, from the distribution) where there is none, then the packages of the lockfile.
All other options: ./bootstrap/run.sh --help, once Node is there.
TEXT
}

say() { printf '%s\n' "$*" >&2; }
refuse() { say "refused: $1"; say "  next: $2"; exit 3; }

BOOTSTRAP_STARTED=$(date +%s)
export BOOTSTRAP_STARTED
cd -- "$(dirname -- "$0")/.."

restoring=
if [ "${1-}" = --restore ]; then
    shift
    restoring=yes
fi
packages=host
for argument in "$@"; do
    case $argument in
        --local | --test) packages=all ;;
        --help) command -v node >/dev/null 2>&1 || { usage; exit 0; } ;;
    esac
done

# A host is looked at and changed by root only; say so before anything is installed.
if [ "$packages" = host ] && [ "$(id -u)" != 0 ]; then
    case " $* " in
        *" --help "*) ;;
        *) refuse "a host can only be set up by root" "sudo $0 ${restoring:+--restore }$*    (or, without root: $0 --local)" ;;
    esac
fi

# What 00-install will want, as far as this release has it. Fetched only, so nothing is changed before the preflight, and
# into a directory of its own, so that apt can install Node meanwhile.
fetch_ahead() {
    ahead=/var/cache/apt/ahead
    names=
    for name in certbot ufw age rclone openssh-client unattended-upgrades docker.io docker-cli docker-compose-v2 docker-compose; do
        ! apt-cache show "$name" >/dev/null 2>&1 || names="$names $name"
    done
    mkdir -p "$ahead/partial"
    # shellcheck disable=SC2086 # a list
    timeout 120 apt-get -qq -y --no-install-recommends --download-only -o Dir::Cache::archives="$ahead" install $names
    mv "$ahead"/*.deb /var/cache/apt/archives/
}

missing=
for name in node:nodejs npm:npm ${restoring:+age:age rclone:rclone}; do
    command -v "${name%:*}" >/dev/null 2>&1 || missing="$missing ${name#*:}"
done
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || refuse "there is no Node.js with npm on this machine" "sudo apt-get install$missing"
    command -v apt-get >/dev/null 2>&1 || refuse "this machine lacks$missing, and has no apt-get to install them" "install them: Node.js 18 or newer with npm"
    say "==> installing$missing"
    # In the foreground and without the terminal as input: in a process group of its own, as timeout makes one, dpkg is
    # stopped by the terminal it wants to set up.
    apt() { DEBIAN_FRONTEND=noninteractive timeout --foreground 600 apt-get -q -o DPkg::Lock::Timeout=180 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@" >"$log" 2>&1 </dev/null; }
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # A run that was cut off may have left packages half configured.
    dpkg --configure -a >"$log" 2>&1 || true
    mirror_down() {
        tail -n 12 "$log" >&2
        refuse "not installed:$missing" "check that the package mirror is reachable: apt-get update"
    }
    apt update || mirror_down
    if [ "$packages" = host ]; then fetch_ahead >/dev/null 2>&1 & fi
    # Hundreds of small packages: one sync at the end instead of one per file, as the distribution's own installer does it.
    # shellcheck disable=SC2086 # a list
    { apt -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install $missing ca-certificates && sync; } || mirror_down
    rm -f "$log"
fi

# npm writes this file last, so it is missing after an install that was cut off and older after a pull that changed the lockfile.
installed() {
    # shellcheck disable=SC3013 # dash, bash and busybox all have -nt
    [ node_modules/.package-lock.json -nt package-lock.json ] && { [ "$packages" = host ] || [ -d node_modules/vitest ]; }
}
if ! installed; then
    say "==> installing the packages of the lockfile"
    omit=
    [ "$packages" = all ] || omit=--omit=dev
    # npm's own limits add up to seven silent minutes.
    timeout --foreground 300 npm ci $omit --no-audit --no-fund --loglevel=error --fetch-retries=2 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000 --fetch-timeout=30000 >&2 </dev/null ||
        refuse "the packages could not be installed" "check that the npm registry is reachable: npm ping"
fi

# npm 9 (Debian 12 and 13) removes this link when it discards the package of the other architecture, which offers it too.
if [ ! -x node_modules/.bin/node ]; then
    for package in node_modules/node-linux-*; do
        [ ! -x "$package/bin/node" ] || ln -sf "../${package#node_modules/}/bin/node" node_modules/.bin/node
    done
fi

# Node 24 from the lockfile stands in front of whatever Node the system has.
PATH=$PWD/node_modules/.bin:$PATH
export PATH
if [ "${1-}" = --test ]; then
    shift
    exec npm test -- "$@"
fi
[ -z "$restoring" ] || exec node scripts/restore-host.ts "$@"
exec zx bootstrap/all.ts "$@"
