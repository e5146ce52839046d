import prompts from 'prompts'
import { Secret } from '../../secrets/secret.ts'

/** Prompts need a person at both ends; standard output is left to data. */
export function isInteractive(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/**
 * Asks for a value that is not shown.
 * @param otherwise how to give it without a terminal, for the error
 * @throws Error without a terminal, or when the person leaves the prompt
 */
export async function askHidden(
  message: string,
  otherwise: string,
  validate?: (typed: Secret) => string | true,
): Promise<Secret> {
  const check = validate ? { validate: (typed: string) => validate(new Secret(typed)) } : {}
  const answer: unknown = await ask({ type: 'password', message, ...check }, otherwise)
  return new Secret(String(answer))
}

/**
 * @param otherwise how to answer without a terminal, for the error
 * @throws Error without a terminal, or when the person leaves the prompt
 */
export async function askYesNo(
  message: string,
  otherwise: string,
  { initial } = { initial: false },
): Promise<boolean> {
  return (await ask({ type: 'confirm', message, initial }, otherwise)) === true
}

/**
 * Asks for a value that may be seen.
 * @param otherwise how to give it without a terminal, for the error
 * @throws Error without a terminal, or when the person leaves the prompt
 */
export async function askText(message: string, otherwise: string): Promise<string> {
  return String(await ask({ type: 'text', message }, otherwise))
}

async function ask(question: Omit<prompts.PromptObject, 'name'>, otherwise: string): Promise<unknown> {
  if (!isInteractive()) throw new Error(`There is no terminal to ask on. ${otherwise}`)
  const answers: { value?: unknown } = await prompts({ ...question, name: 'value', stdout: process.stderr })
  if (answers.value === undefined) throw new Error('Stopped at the prompt. Nothing was changed.')
  return answers.value
}

/** Everything on standard input, as text. */
export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
