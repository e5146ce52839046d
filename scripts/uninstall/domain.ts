import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import * as z from 'zod'

const ANSWERS = '/etc/whatsapp-mcp/answers.yaml'
const answersSchema = z.looseObject({ domain: z.string().regex(/^[a-z0-9.-]{4,253}$/) })

/** The name this host serves; `undefined` where no bootstrap has been, or its answers are gone. */
export async function domainInAnswers(path = ANSWERS): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : answersSchema.parse(parse(text)).domain
}
