/** One thing of a host, broken and mended by fixed scripts. */
export interface Breakage {
  /** The doctor's check that must notice. */
  readonly id: string
  readonly spoil: string
  readonly mend: string
}

const ROOT = '/opt/whatsapp-mcp'
const COMPOSE = `docker compose -f ${ROOT}/docker-compose.prod.yml --env-file /etc/whatsapp-mcp/stack.env`
const PSQL = `${COMPOSE} exec -T postgres psql -q -U postgres -d wa_mcp -v ON_ERROR_STOP=1`
const JOBS = '/var/lib/whatsapp-mcp/jobs'
const NGINX = '/etc/whatsapp-mcp/nginx/nginx.conf'
/** In place, because the container sees this very file. */
const reload = `${COMPOSE} exec -T nginx nginx -c /etc/nginx/whatsapp-mcp/nginx.conf -s reload; sleep 2`

/** A file that is edited by sed, and put back as it was. */
function edited(id: string, file: string, expression: string, after = ':'): Breakage {
  return {
    id,
    spoil: `cp -a ${file} /run/spoilt; sed '${expression}' /run/spoilt > /run/new; cat /run/new > ${file}; ${after}`,
    mend: `cat /run/spoilt > ${file}; ${after}`,
  }
}

function sql(id: string, spoil: string, mend: string): Breakage {
  const say = (statement: string) => `${PSQL} <<'SQL'\n${statement};\nSQL`
  return { id, spoil: say(spoil), mend: say(mend) }
}

function oldJob(id: string, job: string): Breakage {
  return edited(
    id,
    `${JOBS}/${job}.json`,
    's/"last_success": ".*"/"last_success": "2020-01-01T00:00:00.000Z"/',
  )
}

/** nginx with a change of its compose entry, then as it was. */
function lax(id: string, setting: string): Breakage {
  const up = (more: string) => `${COMPOSE} ${more} up -d --wait nginx`
  return {
    id,
    spoil: `printf '%s\\n' 'services: { nginx: { ${setting} } }' > /run/lax.yml; ${up('-f /run/lax.yml')}`,
    mend: up(''),
  }
}

/** What can be broken on a host in a container; every one of them is mended again. */
export const BREAKAGES: readonly Breakage[] = [
  {
    id: 'secrets.key-mode',
    spoil: 'chmod 0440 /etc/whatsapp-mcp/age.key',
    mend: 'chmod 0400 /etc/whatsapp-mcp/age.key',
  },
  edited('secrets.recipients', `${ROOT}/.sops.yaml`, '/recovery: /d; s/, [*]recovery//'),
  edited('secrets.sound', `${ROOT}/secrets/secrets.enc.yaml`, '/^api_key_pepper:/d'),
  edited('secrets.committed', `${ROOT}/secrets/secrets.enc.yaml`, '$s/$/ /'),
  {
    id: 'secrets.in-memory',
    spoil: 'touch /run/whatsapp-mcp/secrets/app/stale',
    mend: 'rm /run/whatsapp-mcp/secrets/app/stale',
  },
  {
    id: 'network.published',
    spoil: `image=$(docker inspect --format '{{.Config.Image}}' whatsapp-mcp-nginx-1); docker run -d --rm --name leak -p 9999:80 --entrypoint sleep "$image" 300`,
    mend: 'docker rm -f leak',
  },
  {
    id: 'network.listening',
    spoil: `systemd-run -q --unit drill-leak ${ROOT}/node_modules/.bin/node -e 'require("node:net").createServer().listen(9998)'; sleep 2`,
    mend: 'systemctl stop drill-leak',
  },
  { id: 'network.firewall', spoil: 'ufw disable', mend: 'ufw --force enable' },
  edited('network.dns', '/etc/hosts', '1i 10.99.99.99 wa.drill.test'),
  edited('network.hsts', NGINX, '/Strict-Transport-Security/d', reload),
  edited('network.limits', NGINX, '/limit_req zone=health/d', reload),
  edited(
    'network.protocols',
    NGINX,
    's/ssl_protocols .*/ssl_protocols TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;/; /^ *ssl_ciphers ECDHE/d',
    reload,
  ),
  {
    id: 'containers.healthy',
    spoil: 'docker stop whatsapp-mcp-nginx-1',
    mend: `docker start whatsapp-mcp-nginx-1; sleep 3`,
  },
  lax('containers.confined', 'read_only: false'),
  {
    id: 'containers.digests',
    spoil: `image=$(docker inspect --format '{{.Config.Image}}' whatsapp-mcp-nginx-1); docker tag "$image" lax:1; printf '%s\\n' 'services: { nginx: { image: "lax:1" } }' > /run/lax.yml; ${COMPOSE} -f /run/lax.yml up -d --wait nginx`,
    mend: `${COMPOSE} up -d --wait nginx; docker rmi lax:1`,
  },
  oldJob('data.backup-fresh', 'backup-db'),
  oldJob('data.media-fresh', 'backup-media'),
  oldJob('data.restore-proved', 'prove-restore'),
  oldJob('data.offsite-fresh', 'sync-offsite'),
  oldJob('data.audit-shipped', 'sync-audit'),
  sql(
    'data.audit-chain',
    `alter table audit_log disable trigger user;
     update audit_log set request_id = request_id || '!' where id = (select max(id) from audit_log where request_id is not null)`,
    `update audit_log set request_id = rtrim(request_id, '!') where request_id like '%!';
     alter table audit_log enable trigger user`,
  ),
  {
    id: 'operations.units',
    spoil: 'systemd-run -q --unit drill-fails --property=Type=oneshot /bin/false || true',
    mend: 'systemctl reset-failed drill-fails',
  },
  { id: 'operations.boot', spoil: 'systemctl disable certbot.timer', mend: 'systemctl enable certbot.timer' },
  edited(
    'operations.updates',
    '/etc/apt/apt.conf.d/52whatsapp-mcp',
    's/Unattended-Upgrade "1"/Unattended-Upgrade "0"/',
  ),
  edited(
    'operations.updates-waiting',
    '/var/lib/dpkg/status',
    '/^Package: docker.io$/,/^$/s/^\\(Version: .*\\)-.*/\\1-0~/',
  ),
  {
    id: 'operations.updates-waiting',
    spoil: 'touch /run/reboot-required',
    mend: 'rm /run/reboot-required',
  },
  {
    id: 'operations.sshd',
    spoil: 'echo "PasswordAuthentication yes" > /etc/ssh/sshd_config.d/00-drill.conf',
    mend: 'rm /etc/ssh/sshd_config.d/00-drill.conf',
  },
  {
    id: 'operations.timers',
    spoil: 'systemctl stop whatsapp-mcp-audit.timer',
    mend: 'systemctl start whatsapp-mcp-audit.timer',
  },
  {
    id: 'operations.sandboxed',
    spoil:
      'mkdir -p /etc/systemd/system/whatsapp-mcp-audit.service.d; printf "[Service]\\nProtectSystem=no\\nRestrictAddressFamilies=\\nSystemCallFilter=\\nCapabilityBoundingSet=~\\n" > /etc/systemd/system/whatsapp-mcp-audit.service.d/lax.conf; systemctl daemon-reload',
    mend: 'rm -r /etc/systemd/system/whatsapp-mcp-audit.service.d; systemctl daemon-reload',
  },
  {
    id: 'operations.drift',
    spoil: 'chmod 0640 /etc/whatsapp-mcp/answers.yaml',
    mend: 'chmod 0600 /etc/whatsapp-mcp/answers.yaml',
  },
  {
    id: 'operations.drift',
    spoil: 'echo 1 > /proc/sys/net/ipv4/conf/all/accept_redirects',
    mend: 'echo 0 > /proc/sys/net/ipv4/conf/all/accept_redirects',
  },
  edited('operations.drift', '/etc/systemd/journald.conf.d/whatsapp-mcp.conf', 's/1G/99G/'),
  sql(
    'server.numbers',
    `update phone_numbers set paused_at = now(), paused_reason = 'drill'`,
    `update phone_numbers set paused_at = null, paused_reason = null`,
  ),
  sql(
    'server.quality',
    `update phone_numbers set quality_rating = 'RED'`,
    `update phone_numbers set quality_rating = null`,
  ),
  sql(
    'server.queue',
    `insert into outbox (name, data, run_after) values ('drill/nobody', '{}', now() - interval '1 hour')`,
    `delete from outbox where name = 'drill/nobody'`,
  ),
  sql(
    'server.stuck',
    `insert into outbox (name, data, state) values ('drill/nobody', '{}', 'dead')`,
    `delete from outbox where name = 'drill/nobody'`,
  ),
]
