# Prints the places where a secret is found, one a line; never the secret itself.
# $1: file with one secret a line, on a tmpfs.
set -eu
export LC_ALL=C
patterns=$1

# Files, the layers and logs of the inner engine included; what is mounted in memory is left out.
for top in / /var/lib/docker; do
    find "$top" -xdev -type f -print0 | xargs -0 -r grep -laF -f "$patterns" -- || true
done | sort -u | sed 's/^/file /'

found() { grep -qaF -f "$patterns" && echo "$1" || true; }
journalctl --no-pager --all --output=export | found journal
for id in $(docker ps -aq); do docker inspect "$id" | found "inspect $id"; done
for id in $(docker images -q --no-trunc | sort -u); do docker history --no-trunc "$id" | found "history $id"; done
docker volume ls -q | xargs -r docker volume inspect | found volumes
systemctl show '*' --no-pager 2>/dev/null | found units

for process in /proc/[0-9]*; do
    # A process may end while it is looked at.
    { tr '\0' '\n' <"$process/cmdline" | found "cmdline $(cat "$process/comm")"; } 2>/dev/null || true
    { tr '\0' '\n' <"$process/environ" | found "environ $(cat "$process/comm")"; } 2>/dev/null || true
done | sort | uniq
