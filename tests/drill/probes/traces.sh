# Prints what of the stack is on a host, one fact a line: nothing but the state of sshd on a bare one.
set -eu
export LC_ALL=C

# Not /run/systemd and the like, which describe what is there anyway.
find /etc /usr/local /var/lib /var/log /run -xdev \
    \( -path /var/lib/docker -o -path /run/docker -o -path /run/containerd -o -path /run/systemd \) -prune \
    -o -name '*whatsapp-mcp*' -printf 'path %p\n'
for directory in /etc/whatsapp-mcp /var/lib/whatsapp-mcp /etc/letsencrypt/live /etc/letsencrypt/archive \
    /etc/letsencrypt/renewal /etc/letsencrypt/accounts /usr/local/bin; do
    [ ! -d "$directory" ] || find "$directory" -mindepth 1 -maxdepth 1 ! -name README -printf 'path %p\n'
done
grep -rlIF whatsapp-mcp /etc /usr/local | sed 's/^/mention /' || true
[ ! -e /etc/docker/daemon.json ] || echo 'path /etc/docker/daemon.json'
[ ! -e /etc/needrestart ] || find /etc/needrestart -printf 'path %p\n'

systemctl list-units --all --plain --no-legend 'whatsapp-mcp*' | awk '{ print "unit", $1 }'
systemctl list-unit-files --no-legend 'whatsapp-mcp*' | awk '{ print "unit file", $1 }'
sshd -T | grep -E '^(x11forwarding|passwordauthentication|permitrootlogin|logingracetime) ' | sed 's/^/sshd /'
! command -v ufw >/dev/null || ufw status | awk '/^(80|443)\/tcp/ { print "ufw", $0 }'
if command -v docker >/dev/null; then
    docker ps --all --format 'container {{.Names}}'
    docker network ls --filter type=custom --format 'network {{.Name}}'
    docker volume ls --format 'volume {{.Name}}'
    docker images --format 'image {{.Repository}}'
fi
