import { randomUUID } from 'node:crypto'
import { signTicket } from '../media/signed-url.ts'
import { type AdminContext, type Command, command } from './command.ts'
import { flag } from './option.ts'
import type { Report } from './report.ts'
import { secretOnStandardInput } from './standard-input.ts'

/** Seconds the link could work if it led anywhere. */
const LIFE = 60

async function probe({ config }: AdminContext, keyGiven: boolean): Promise<Report> {
  const secret = keyGiven ? await secretOnStandardInput('key') : config.mediaSigningSecret
  const mediaId = randomUUID()
  const { token } = signTicket(secret, { mediaId, clientId: randomUUID() }, LIFE)
  const path = `/media/${token}`
  return { data: { path, media_id: mediaId }, text: path }
}

export const mediaCommands: readonly Command[] = [
  command({
    name: 'media probe',
    summary:
      'makes a signed link that leads to no file: following it gives 404, and an audit entry where the signature was taken',
    audited: 'not',
    options: { 'key-stdin': flag('signed with a key on standard input instead of the current one') },
    run: (o) => (context) => probe(context, o['key-stdin']),
  }),
]
