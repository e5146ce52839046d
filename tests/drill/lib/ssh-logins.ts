import { REPOSITORY } from './bootstrap.ts'
import type { Host } from './host.ts'
import type { Result } from './run.ts'

export const ADMINISTRATOR = 'drill-ops'
const KEY = '/run/drill-ssh'
const ASK = '/run/drill-ask'
const CLOUD = '/etc/ssh/sshd_config.d/50-cloud-init.conf'
const TRUST = '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'

/** Real logins at the host's own sshd, by password and by key. */
export class SshLogins {
  readonly #host: Host

  constructor(host: Host) {
    this.#host = host
  }

  /** A host as some providers hand it over: passwords are taken. Root and an administrator have a key besides. */
  async prepare(): Promise<void> {
    await this.#host.sh(
      `ssh-keygen -q -t ed25519 -N '' -f ${KEY}
      useradd -m -s /bin/bash -G sudo ${ADMINISTRATOR}
      echo ${ADMINISTRATOR}:drill-password | chpasswd
      echo '${ADMINISTRATOR} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/drill
      printf '#!/bin/sh\\necho drill-password\\n' > ${ASK}; chmod 755 ${ASK}
      install -D -m 0600 ${KEY}.pub /root/.ssh/authorized_keys
      cp ${CLOUD} ${KEY}.cloud; echo 'PasswordAuthentication yes' > ${CLOUD}
      systemctl reset-failed ssh; systemctl restart ssh`,
    )
    await this.giveKey()
  }

  async giveKey(): Promise<void> {
    await this.#host.sh(
      `install -d -m 0700 -o $1 -g $1 /home/$1/.ssh; install -m 0600 -o $1 -g $1 ${KEY}.pub /home/$1/.ssh/authorized_keys`,
      [ADMINISTRATOR],
    )
  }

  async takeKey(): Promise<void> {
    await this.#host.sh(`rm /home/$1/.ssh/authorized_keys`, [ADMINISTRATOR])
  }

  /** As before {@link prepare}. */
  async remove(): Promise<void> {
    await this.#host.sh(
      `userdel -r $1 2>/dev/null; cat ${KEY}.cloud > ${CLOUD}
      rm -f /root/.ssh/authorized_keys /etc/sudoers.d/drill ${KEY}* ${ASK}; systemctl reset-failed ssh; systemctl restart ssh`,
      [ADMINISTRATOR],
    )
  }

  async byPassword(): Promise<boolean> {
    const methods = '-o PreferredAuthentications=password,keyboard-interactive'
    const script = `SSH_ASKPASS=${ASK} SSH_ASKPASS_REQUIRE=force ssh -n ${TRUST} ${methods} $1@127.0.0.1 true`
    return (await this.#host.sh(script, [ADMINISTRATOR], { mayFail: true })).code === 0
  }

  async byKey(user: string): Promise<boolean> {
    return (await this.#login(user, 'true')).code === 0
  }

  /** From a session of its own, which begins now. */
  confirm(user: string): Promise<Result> {
    return this.#login(user, `sudo ${REPOSITORY}/node_modules/.bin/node ${REPOSITORY}/scripts/ssh.ts confirm`)
  }

  #login(user: string, command: string): Promise<Result> {
    const script = `ssh -n -i ${KEY} -o BatchMode=yes ${TRUST} "$1@127.0.0.1" "$2"`
    return this.#host.sh(script, [user, command], { mayFail: true })
  }
}
