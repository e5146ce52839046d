# Prints the state of a host, one fact a line. Left out is what must differ from host to host:
# keys, certificates, ACME accounts, ids, addresses and times, and the files the server writes.
set -eu
export LC_ALL=C

dirs='/etc /usr/local /opt /var/lib/whatsapp-mcp /run/whatsapp-mcp'
# shellcheck disable=SC2086
find $dirs -xdev \
    \( -path /etc/letsencrypt/accounts -o -path /opt/whatsapp-mcp/.git -o -path /opt/whatsapp-mcp/node_modules \) -prune \
    -o \( -path '/var/lib/whatsapp-mcp/media/*' -o -path '/var/lib/whatsapp-mcp/audit/*' \
        -o -path '/var/lib/whatsapp-mcp/backups/*' -o -path '/var/lib/whatsapp-mcp/jobs/*' \) -prune \
    -o \( -name '*-' -o -name '.pwd.lock' -o -name 'subgid*' -o -name 'subuid*' \) -prune \
    -o -printf 'path %p %y %m %u:%g %l\n'

# shellcheck disable=SC2086
find $dirs -xdev \
    \( -path /etc/letsencrypt -o -path /opt/whatsapp-mcp/.git -o -path /var/lib/whatsapp-mcp/tls -o -path /etc/ssh \
        -o -path /var/lib/whatsapp-mcp/media -o -path /var/lib/whatsapp-mcp/audit \
        -o -path /var/lib/whatsapp-mcp/backups -o -path /var/lib/whatsapp-mcp/jobs \
        -o -path /etc/ssl/private -o -path /etc/docker/key.json -o -path /etc/group -o -path /etc/gshadow \) -prune \
    -o \( -name '*-' -o -name '.pwd.lock' -o -name machine-id -o -name resolv.conf -o -name hosts -o -name hostname \
        -o -name ld.so.cache \) -prune \
    -o -type f -exec sha256sum {} + | awk '{ print "content", $2, $1 }'

# Groups have their numbers, and their order, from the order in which packages were configured, and apt may have been killed.
awk -F: '{ print "group", $1, $4 }' /etc/group
awk -F: '{ print "gshadow", $1, $2, $3, $4 }' /etc/gshadow

dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Abbrev}\n'
apt-mark showmanual | sed 's/^/manual /'
systemctl list-unit-files --state=enabled --no-legend --no-pager | awk '{ print "enabled", $1 }'
for unit in docker whatsapp-mcp whatsapp-mcp-secrets certbot.timer ufw ssh \
    whatsapp-mcp-backup.timer whatsapp-mcp-offsite.timer whatsapp-mcp-audit.timer whatsapp-mcp-prove-restore.timer \
    whatsapp-mcp-doctor.timer whatsapp-mcp-ssh-rollback.timer apt-daily-upgrade.timer; do
    echo "unit $unit $(systemctl is-active "$unit" || true)"
done
ufw status verbose | sed 's/^/ufw /'
docker network ls --format 'network {{.Name}} {{.Driver}}'
docker volume ls --format '{{.Name}}' | grep -vE '^[0-9a-f]{64}$' | sed 's/^/volume /'
docker images --no-trunc --format 'image {{.Repository}}@{{.Digest}}'
database() { docker exec -i whatsapp-mcp-postgres-1 "$@"; }
database psql -U postgres -d wa_mcp -At -c "select 'role', rolname, rolsuper, rolcanlogin, rolcreatedb from pg_roles" </dev/null
# Each dump carries a random word of its own.
database pg_dump -U postgres -d wa_mcp --schema-only </dev/null | grep -Ev '^\\(un)?restrict ' | sha256sum | sed 's/^/schema /'
