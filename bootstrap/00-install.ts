/** Packages, Docker, the firewall and the directories everything else is put into. */
import { isMain } from '../scripts/lib/entry.ts'
import { NGINX_GID, TLS_DIRECTORY } from '../scripts/lib/stack.ts'
import { CONSUMERS } from '../secrets/schema.ts'
import { formatAnswers } from './lib/answers.ts'
import { packages } from './lib/apt.ts'
import { clockPackages } from './lib/clock.ts'
import { dockerEngine, dockerPackages, dockerSettings } from './lib/docker.ts'
import { directories, files } from './lib/files.ts'
import { firewall } from './lib/firewall.ts'
import { journal } from './lib/journal.ts'
import { kernel } from './lib/kernel.ts'
import { serverBundle } from './lib/local.ts'
import { main } from './lib/main.ts'
import { say, yellow } from './lib/report.ts'
import type { Step } from './lib/resource.ts'
import { sshd, sshNotice } from './lib/sshd.ts'
import { unitEnabled, unitFile } from './lib/units.ts'
import { UPGRADE_PACKAGES, upgrades } from './lib/upgrades.ts'

/** The last three are for copies elsewhere: age seals, rclone and ssh carry. */
const PACKAGES = [
  ...UPGRADE_PACKAGES,
  ...['ca-certificates', 'certbot', 'ufw', 'age', 'rclone', 'openssh-client'],
]

const step: Step = {
  id: '00-install',
  title: 'Install',
  host: (context) => [
    directories('directories', [
      { path: context.paths.etc, mode: 0o700 },
      { path: context.paths.state, mode: 0o755 },
      // certbot writes challenges, nginx reads them.
      { path: `${context.paths.state}/acme`, mode: 0o755 },
      { path: TLS_DIRECTORY, mode: 0o750, gid: NGINX_GID },
      // What the server keeps in files: as its own user, which cannot create them itself.
      { path: `${context.paths.state}/media`, mode: 0o750, ...CONSUMERS.app },
      { path: `${context.paths.state}/audit`, mode: 0o750, ...CONSUMERS.app },
      { path: `${context.paths.state}/backups`, mode: 0o700 },
      // Results of the jobs, for whoever asks later.
      { path: `${context.paths.state}/jobs`, mode: 0o700 },
      { path: context.paths.logs, mode: 0o750 },
    ]),
    files('answers', async () => [
      { path: `${context.paths.etc}/answers.yaml`, text: formatAnswers(context.answers), mode: 0o600 },
    ]),
    dockerSettings(context),
    packages('packages', context, PACKAGES, dockerPackages(context), clockPackages(context)),
    dockerEngine(context),
    firewall(context),
    unitFile('whatsapp-mcp-ssh-rollback.service', context),
    unitFile('whatsapp-mcp-ssh-rollback.timer', context),
    sshd(context),
    kernel(context),
    journal(context),
    upgrades(context),
    unitEnabled('apt-daily.timer', context),
    unitEnabled('apt-daily-upgrade.timer', context),
  ],
  local: (context) => [serverBundle(context)],
  async verify(context) {
    const notice = context.mode === 'host' ? await sshNotice(context) : undefined
    if (notice !== undefined) say(`    ${yellow(notice)}`)
  },
}

export default step
if (isMain(import.meta.url)) await main([step])
