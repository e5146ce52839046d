#!/bin/sh
# All that the host's key may do on the machine that keeps its audit archive. sshd starts it instead of a shell:
#   restrict,command=".../receive.sh DIRECTORY" ssh-ed25519 ...
#
#   list               what is there: "SHA256  ./NAME" for each file
#   put NAME SHA256    keeps standard input under a name that was not there before
#   verify             checks the whole archive, prints the report as JSON
#
# Nothing here removes or replaces a file: link(2) fails where the name exists, whatever the other side asks for.
# Exit codes: 0 ok, 1 not whole or failed, 3 refused, 4 another file has that name.
set -euf
umask 027
PATH=/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL

directory=$1
scripts=$(cd -- "$(dirname -- "$0")/.." && pwd -P)

cd -- "$directory"

refuse() { echo "refused: $1" >&2; exit 3; }

# Names come from the other side: they are of these shapes, or go no further.
check_name() {
    case $1 in
        *[!a-z0-9.-]*) refuse "no file of an archive has such a name" ;;
        audit-*-*.ndjson.gz | head-*.json | head-*.json.sig) ;;
        *) refuse "no file of an archive has such a name" ;;
    esac
}

list() {
    find . -maxdepth 1 -type f -name '[ah]*' -exec sha256sum -- {} +
}

put() {
    name=$1 sum=$2
    check_name "$name"
    # Left by transfers that were cut off.
    find . -maxdepth 1 -name '.arriving.*' -mmin +60 -delete
    # One segment is an hour; no host may fill the disk with a single one.
    ulimit -f 2097152
    arriving=$(mktemp .arriving.XXXXXX)
    trap 'rm -f -- "$arriving"' EXIT
    cat >"$arriving"
    [ "$(sha256sum <"$arriving")" = "$sum  -" ] || { echo "it did not arrive as it was sent" >&2; exit 1; }
    chmod 0440 "$arriving"
    sync "$arriving"
    if ln -T -- "$arriving" "$name" 2>/dev/null; then
        sync .
    else
        cmp -s -- "$arriving" "$name" || { echo "another file has the name $name" >&2; exit 4; }
    fi
}

verify() {
    node=$scripts/../node_modules/.bin/node
    [ -x "$node" ] || node=node
    exec "$node" "$scripts/verify-audit.ts" --json --signers "$directory/../signers" "$directory"
}

# shellcheck disable=SC2086 # words; globbing is off
set -- ${SSH_ORIGINAL_COMMAND:-}
case ${1:-}.$# in
    list.1) list ;;
    put.3) put "$2" "$3" ;;
    verify.1) verify ;;
    *) refuse "this key may only: list, put NAME SHA256, verify" ;;
esac
