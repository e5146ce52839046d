/** Security updates install themselves at a quiet hour; what would interrupt the stack waits for a person. */
import type { Context } from './context.ts'
import { files } from './files.ts'
import type { Resource } from './resource.ts'

export const UPGRADE_PACKAGES = ['unattended-upgrades']

/** An hour in which no backup, copy or proof of ours begins. UTC, so that it is the same hour all year. */
const WINDOW = { lists: '*-*-* 03:00:00 UTC', upgrade: '*-*-* 04:00:00 UTC', spread: '45min' }

/** Sorted after the distribution's own files, whose lists it empties: apt adds to a list unless told otherwise. */
const apt = (reboot: boolean) => `// Written by the bootstrap.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::AutocleanInterval "7";

#clear Unattended-Upgrade::Allowed-Origins;
#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern {
    "origin=Debian,codename=\${distro_codename}-security,label=Debian-Security";
    "origin=Ubuntu,archive=\${distro_codename}-security";
    "origin=UbuntuESM,archive=\${distro_codename}-infra-security";
    "origin=UbuntuESMApps,archive=\${distro_codename}-apps-security";
};

// A new engine restarts the stack. The doctor says when one waits.
#clear Unattended-Upgrade::Package-Blacklist;
Unattended-Upgrade::Package-Blacklist { "docker"; "containerd"; "runc"; };

Unattended-Upgrade::Automatic-Reboot "${reboot}";
`

const timer = (calendar: string) => `# Written by the bootstrap.
[Timer]
OnCalendar=
OnCalendar=${calendar}
RandomizedDelaySec=${WINDOW.spread}
# What was missed waits for the next night instead of running at boot, when the stack starts.
Persistent=no
`

/** Where needrestart is or comes, a new library restarts services, but none of those the stack stands on. */
const NEEDRESTART = `# Written by the bootstrap.
$nrconf{override_rc}{qr(^(docker|containerd|whatsapp-mcp))} = 0;
`

/** Security updates in a window at night, without Docker, and with a reboot only where the answers allow it. */
export function upgrades({ answers, shell }: Context): Resource {
  const texts = {
    '/etc/apt/apt.conf.d/52whatsapp-mcp': apt(answers.automatic_reboot ?? false),
    '/etc/systemd/system/apt-daily.timer.d/whatsapp-mcp.conf': timer(WINDOW.lists),
    '/etc/systemd/system/apt-daily-upgrade.timer.d/whatsapp-mcp.conf': timer(WINDOW.upgrade),
    '/etc/needrestart/conf.d/whatsapp-mcp.conf': NEEDRESTART,
  }
  return files(
    'security updates',
    async () => Object.entries(texts).map(([path, text]) => ({ path, text, mode: 0o644 })),
    async () => {
      await shell()`systemctl daemon-reload`
      // A timer that runs keeps the times it was started with.
      await shell()`systemctl restart apt-daily.timer apt-daily-upgrade.timer`
    },
  )
}
