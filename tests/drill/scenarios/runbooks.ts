import { globSync } from 'node:fs'
import { join } from 'node:path'
import { type Drill, PROJECT } from '../lib/drill.ts'
import { ownMachine } from '../lib/own-machine.ts'
import { say } from '../lib/progress.ts'
import { executed, OPERATIONS, readPage } from '../lib/runbook/execute.ts'
import { type Situation, Stage } from '../lib/runbook/stage.ts'
import { standInFor } from '../lib/stand-in.ts'
import { certificate, diskFull, messages, stackDown } from '../situations/broken.ts'
import { backups, databaseRestore, offsite, recovered } from '../situations/data.ts'
import { everyday } from '../situations/everyday.ts'
import { compromisedHost, lostKey, pepper, rotation, token } from '../situations/keys.ts'

export const title = 'every runbook does what it says'

/** In an order in which none spoils the next. */
const SITUATIONS: Readonly<Record<string, Situation>> = {
  everyday,
  'stack down': stackDown,
  messages,
  'disk full': diskFull,
  certificate,
  backups,
  offsite,
  'database restore': databaseRestore,
  'host recovered': recovered,
  token,
  rotation,
  pepper,
  'lost key': lostKey,
  'compromised host': compromisedHost,
}

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const standIn = await standInFor(drill, host)
  const stage = new Stage(drill, host, await ownMachine(drill, host), standIn)
  // Secrets of the host may have been rotated before; those of other hosts never are.
  const { wa_app_secret: appSecret = '', wa_default_access_token: token = '' } = drill.world.material.canaries
  await stage.atMeta(await stage.secretsOfMeta())
  try {
    for (const [name, situation] of Object.entries(SITUATIONS)) await make(name, situation, stage)
  } finally {
    await stage.atMeta({ tokens: [token], appSecret })
  }
  const missed = await unread()
  drill.expect('every command of every page was executed', missed.length === 0, missed.join('\n'))
}

/** A situation that could not be made is a finding; the others are made all the same. */
async function make(name: string, situation: Situation, stage: Stage): Promise<void> {
  const from = performance.now()
  await situation(stage).catch((error: unknown) =>
    stage.drill.expect(
      `situation: ${name}`,
      false,
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    ),
  )
  say(`  ${name}  ${((performance.now() - from) / 1000).toFixed(1)} s`)
}

/** Blocks that this scenario did not run and that no other one is to run. */
async function unread(): Promise<readonly string[]> {
  const names = globSync('**/*.md', { cwd: join(PROJECT, OPERATIONS) }).filter((name) => name !== 'README.md')
  const pages = await Promise.all(names.map(readPage))
  return pages.flatMap((page) =>
    page.blocks
      .filter(({ drill }) => drill === undefined)
      .map(({ line }) => `${page.file}:${line}`)
      .filter((place) => !executed.has(place)),
  )
}
