#!/bin/sh
# Makes this machine keep the audit archive of a host: an account whose only command is receive.sh. Can be run again.
set -eu
# Where receive.sh will look for Node.
PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
export PATH

usage() {
    cat <<'TEXT'
Usage: scripts/audit/setup-archive.sh [--user NAME] 'ssh-ed25519 AAAA...'        on the archive's machine, as root

Makes the account NAME (default: whatsapp-audit) with a directory for segments, and allows the key of the host to
append to it, and nothing else. The key is printed by scripts/sync-audit.ts --new-remote on the host.
The repository must stay where it is: the account's only command is in it. Node 22.18 or newer is needed to verify.

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 refused before anything was changed.
TEXT
}
say() { printf '%s\n' "$*" >&2; }
refuse() { say "refused: $1"; say "  next: $2"; exit 3; }

user=whatsapp-audit
key=
while [ $# -gt 0 ]; do
    case $1 in
        --help) usage; exit 0 ;;
        --user) user=${2:-}; shift; [ $# = 0 ] || shift ;;
        ssh-ed25519\ *) key=$1; shift ;;
        *) usage >&2; exit 2 ;;
    esac
done
[ -n "$key" ] || { usage >&2; exit 2; }
case $user in
    '' | *[!a-z0-9_-]* | [!a-z]*) say "--user must be a name of small letters, digits and hyphens"; exit 2 ;;
esac

[ "$(id -u)" = 0 ] || refuse "an account can only be made by root" "sudo $0 --user $user '$key'"
scripts=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
key=$(printf '%s\n' "$key" | cut -d ' ' -f 1,2)
printf '%s\n' "$key" | ssh-keygen -l -f - >/dev/null 2>&1 || refuse "that is no public key" "copy the whole line that sync-audit.ts printed"
node=$scripts/../node_modules/.bin/node
[ -x "$node" ] || node=node
"$node" --input-type=module-typescript --eval 'const ready: boolean = true; process.exitCode = ready ? 0 : 1' 2>/dev/null ||
    refuse "there is no Node 22.18 or newer, which verifies the archive" "in this repository: npm ci --omit=dev, or install Node from nodejs.org"

home=/var/lib/$user
if ! id -- "$user" >/dev/null 2>&1; then
    # sshd hands the forced command to the account's shell; without a usable password there is no other way in.
    useradd --system --user-group --no-create-home --home-dir "$home" --shell /bin/sh --password '*' -- "$user"
fi
# All of root but the segments: the account cannot allow itself more.
install -d -m 0755 -o root -g root "$home" "$home/.ssh"
install -d -m 0750 -o "$user" -g "$user" "$home/segments"
keep() { printf '%s\n' "$2" >"$1.new"; chmod 0644 "$1.new"; mv -- "$1.new" "$1"; }
signer="whatsapp-mcp namespaces=\"whatsapp-mcp-audit\" $key"
# Earlier keys stay there, since what they signed stays.
keep "$home/signers" "$({ cat -- "$home/signers" 2>/dev/null || true; printf '%s\n' "$signer"; } | sort -u)"
keep "$home/.ssh/authorized_keys" "restrict,command=\"$scripts/audit/receive.sh $home/segments\" $key"
say "The account $user appends to $home/segments, and can do nothing else."
say "Check it from the host: npx zx scripts/sync-audit.ts"
