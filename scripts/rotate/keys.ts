import * as z from 'zod'
import { Fail } from '../lib/fail.ts'
import { CLIENT, mintKey } from '../lib/smoke.ts'
import { admin, type Host, psql } from './host.ts'
import { AGAIN, settles, statusOf } from './proof.ts'
import type { Proof } from './steps.ts'

const listSchema = z.array(
  z.object({
    id: z.uuid(),
    client: z.string(),
    label: z.string(),
    state: z.string(),
    last_used_at: z.iso.datetime().nullable(),
    created_at: z.iso.datetime(),
  }),
)

/**
 * That keys from before the rotation work and are moved over at their first use, or are refused. The key it asks with is hashed
 * under the previous pepper, so it needs none that was made beforehand.
 */
export function oldKeysWork(host: Host, wanted: boolean): Proof {
  return {
    title: wanted ? 'a key from before works, and is hashed anew' : 'a key from before is refused',
    async prove() {
      const { key, id } = await mint(host, ['--previous-pepper'])
      try {
        const before = await hashOf(host, id)
        await settles({
          what: 'a call with a key from before',
          wanted: wanted ? 200 : 401,
          probe: () => call(host, key),
        })
        const changed = (await hashOf(host, id)) !== before
        if (changed !== wanted)
          throw new Fail(`its hash ${changed ? 'was' : 'was not'} changed`, { next: AGAIN })
        return wanted ? 'yes' : '401'
      } finally {
        await admin(host, ['keys', 'revoke', id])
      }
    },
  }
}

/** A key made now is taken by the server; it is revoked at once. */
export function newKeysWork(host: Host): Proof {
  return {
    title: 'a new key works',
    async prove() {
      const { key, id } = await mint(host, [])
      try {
        await settles({
          what: 'a call with a new key',
          wanted: 200,
          probe: () => call(host, key),
        })
        return 'yes'
      } finally {
        await admin(host, ['keys', 'revoke', id])
      }
    },
  }
}

/** Live keys nobody has used since: what is hashed under the previous pepper still. */
export async function unusedSince(host: Host, moment: Date): Promise<string[]> {
  const { stdout } = await admin(host, ['keys', 'list', '--json'])
  return listSchema
    .parse(JSON.parse(stdout))
    .filter(({ state, client }) => state === 'live' && client !== CLIENT)
    .filter(({ created_at, last_used_at }) => new Date(last_used_at ?? created_at) < moment)
    .map(({ id, client, label }) => `${client}, ${label} (${id})`)
}

function mint(host: Host, options: readonly string[]) {
  return mintKey({ admin: (args) => admin(host, args, { mayFail: true }) }, options)
}

/** A digest of the stored hash: enough to see it change. */
async function hashOf(host: Host, id: string): Promise<string> {
  return (await psql(host, `select md5(hash) from api_keys where id = '${id}';`)).stdout.trim()
}

function call({ ask }: Host, key: string): Promise<number | string> {
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
  return statusOf(ask('/mcp', { method: 'POST', headers, body }))
}
