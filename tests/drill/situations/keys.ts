import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import type { Situation } from '../lib/runbook/stage.ts'

const HOST_KEY = '/etc/whatsapp-mcp/age.key'
/** Where the page has the operator put new keys. */
const MADE = ['/dev/shm/host.key', '/dev/shm/recovery.key']

/** The file of the host key is gone; then its paper, too; then the recovery paper. */
export const lostKey: Situation = async (stage) => {
  const { host, own, drill } = stage
  const { recoveryKey } = drill.world.material
  await Promise.all(MADE.map((path) => rm(path, { force: true })))
  try {
    const hostKey = await host.read(HOST_KEY)
    await host.exec(['rm', HOST_KEY])
    await stage.read(
      'incidents/lost-key.md',
      { typed: { 'host-key': () => hostKey.trim() } },
      { file: undefined },
    )
    const typed = {
      'recovery-key': () => recoveryKey,
      'new-host-key': async () => keyIn(await readFile('/dev/shm/host.key', 'utf8')),
    }
    await stage.read('incidents/lost-key.md', { typed, own: own.withoutKey }, { host: undefined })
  } finally {
    await Promise.all(MADE.map((path) => rm(path, { force: true })))
  }
}

const keyIn = (text: string): string => /AGE-SECRET-KEY-1[A-Z0-9]+/.exec(text)?.[0] ?? ''

/** The pepper was seen: first harmless, then not. */
export const pepper: Situation = async (stage) => {
  await stage.read('incidents/pepper.md', {}, { soft: undefined, finish: undefined })
  await stage.read('incidents/pepper.md', {}, { hard: undefined })
}

/** A secret is to be replaced though nothing is wrong. */
export const rotation: Situation = async (stage) => {
  const given = { verb: 'media-key' }
  await stage.read('rotation.md', { given }, { generated: undefined, finish: undefined })
}

/** A value that looks like one of Meta's tokens. */
export const newToken = (): string => `canary-access-token-${randomBytes(16).toString('hex')}`
