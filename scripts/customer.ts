/** `npm run customer`: plays the customer of the sandbox that `./bootstrap/run.sh --local` keeps running. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { isMain, scriptArguments } from './lib/entry.ts'
import { sandboxFile } from './lib/sandbox.ts'

const USAGE = `Usage: npm run customer -- "TEXT" [options]

Writes to the business as its customer Ana would, while ./bootstrap/run.sh --local runs in another terminal. Without a
text or an option it shows what is on her screen.

  --picture FILE   sends a picture (.jpg, .png); TEXT becomes its caption
  --press TITLE    presses a button, or picks a row of a list, that the business has sent
  --json           prints what happened as JSON
  --help           this text

Exit codes: 0 done, 1 the sandbox said no or is not running, 2 wrong usage.`

const lineSchema = z.object({
  from: z.enum(['customer', 'business']),
  type: z.string(),
  text: z.string(),
  choices: z.array(z.string()),
  at: z.string(),
})
type Line = z.infer<typeof lineSchema>

const TYPES: Record<string, string> = { jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png' }

class Refusal extends Error {}

async function command(): Promise<number> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
    return 2
  }
  const { values, positionals } = parsed
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  try {
    const lines = await act(values, positionals[0])
    process.stdout.write(values.json ? `${JSON.stringify({ lines })}\n` : `${screen(lines)}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

function parse() {
  const parsed = parseArgs({
    options: {
      picture: { type: 'string' },
      press: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    args: scriptArguments(),
    allowPositionals: true,
  })
  if (parsed.positionals.length > 1) throw new Error('Put the text into quotes: it is one argument.')
  if (
    parsed.values.press !== undefined &&
    (parsed.positionals.length > 0 || parsed.values.picture !== undefined)
  )
    throw new Error('--press goes alone.')
  return parsed
}

async function act(values: { picture?: string; press?: string }, text: string | undefined): Promise<Line[]> {
  const phone = await findPhone()
  if (values.press !== undefined) return [await ask(phone, { press: values.press })]
  if (values.picture !== undefined) return [await ask(phone, await picture(values.picture, text))]
  if (text !== undefined) return [await ask(phone, { say: text })]
  const response = await fetch(phone)
  return z.object({ lines: z.array(lineSchema) }).parse(await response.json()).lines
}

async function picture(file: string, caption: string | undefined) {
  const mimeType = TYPES[file.split('.').at(-1)?.toLowerCase() ?? '']
  if (mimeType === undefined) throw new Refusal('--picture takes a .jpg or .png file.')
  const bytes = await readFile(file).catch(() => {
    throw new Refusal(`--picture: ${file} cannot be read.`)
  })
  return { picture: bytes.toString('base64'), mimeType, ...(caption && { caption }) }
}

async function findPhone(): Promise<string> {
  const text = await readFile(sandboxFile(), 'utf8').catch(() => undefined)
  if (text === undefined) throw new Refusal('No sandbox is running. Start one: ./bootstrap/run.sh --local')
  return z.object({ phone: z.url() }).parse(JSON.parse(text)).phone
}

async function ask(phone: string, order: unknown): Promise<Line> {
  const response = await fetch(phone, { method: 'POST', body: JSON.stringify(order) }).catch(() => {
    throw new Refusal('The sandbox does not answer. Start it again: ./bootstrap/run.sh --local')
  })
  const body: unknown = await response.json()
  if (response.ok) return lineSchema.parse(body)
  throw new Refusal(`The sandbox says: ${z.object({ error: z.string() }).parse(body).error}`)
}

function screen(lines: readonly Line[]): string {
  if (lines.length === 0) return 'Nothing on the screen yet. Write something: npm run customer -- "Hello"'
  return lines.map(show).join('\n')
}

function show({ from, type, text, choices, at }: Line): string {
  const what = type === 'text' ? '' : `[${type}] `
  const offered = choices.length > 0 ? `   (${choices.map((title) => `‹${title}›`).join(' ')})` : ''
  return `${at.slice(11, 19)}  ${from === 'customer' ? 'Ana' : 'you'.padEnd(3)}  ${what}${text}${offered}`
}

if (isMain(import.meta.url)) process.exitCode = await command()
