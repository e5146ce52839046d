#!/bin/sh
# All that the host's key may do on the machine that keeps its audit archive. sshd starts it instead of a shell:
#   restrict,command=".../receive.sh DIRECTORY" ssh-ed25519 ...
#
#   list                     what is there: "line LINE", and "SHA256  ./LINE/NAME" for each file
#   begin LINE               makes room for a new line
#   put LINE NAME SHA256     keeps standard input under a name that was not there before
#   verify                   checks the whole archive, prints the report as JSON
#
# Nothing here removes or replaces a file: link(2) fails where the name exists, whatever the other side asks for.
# Exit codes: 0 ok, 1 not whole or failed, 3 refused, 4 another file has that name.
set -euf
umask 027
PATH=/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL

directory=$1
scripts=$(dirname -- "$0")/..

refuse() { echo "refused: $1" >&2; exit 3; }

# Names come from the other side: each is one of these shapes, or goes no further.
check_line() {
    case $1 in
        [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z) ;;
        *) refuse "no line has such a name" ;;
    esac
}
check_name() {
    case $1 in
        *[!a-z0-9.-]*) refuse "no file of an archive has such a name" ;;
        audit-*-*.ndjson.gz | head-*.json | head-*.json.sig) ;;
        *) refuse "no file of an archive has such a name" ;;
    esac
}

list() {
    cd -- "$directory"
    find . -mindepth 1 -maxdepth 1 -type d -name '[0-9]*Z' -printf 'line %f\n'
    find . -mindepth 2 -maxdepth 2 -type f -name '[ah]*' -exec sha256sum -- {} +
}

put() {
    line=$1 name=$2 sum=$3
    check_line "$line"
    check_name "$name"
    cd -- "$directory/$line" || refuse "there is no line $line"
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
    begin.2) check_line "$2"; mkdir -p -- "$directory/$2" ;;
    put.4) put "$2" "$3" "$4" ;;
    verify.1) verify ;;
    *) refuse "this key may only: list, begin LINE, put LINE NAME SHA256, verify" ;;
esac
