import { parse } from 'yaml'
import * as z from 'zod'
import { readIfThere } from '../../secrets/atomic.ts'

const ANSWERS = '/etc/whatsapp-mcp/answers.yaml'
const answersSchema = z.looseObject({ domain: z.string().regex(/^[a-z0-9.-]{4,253}$/) })

/** The name this host serves; `undefined` where no bootstrap has been, or its answers are gone. */
export async function domainInAnswers(path = ANSWERS): Promise<string | undefined> {
  const text = await readIfThere(path)
  return text === undefined ? undefined : answersSchema.parse(parse(text)).domain
}
