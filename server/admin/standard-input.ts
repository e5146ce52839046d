import { text } from 'node:stream/consumers'
import { Secret } from '../../secrets/secret.ts'
import { AdminError } from './report.ts'

/** A secret on standard input, where it is in no command line. @throws AdminError when there is none */
export async function secretOnStandardInput(what: string): Promise<Secret> {
  const given = (await text(process.stdin)).trim()
  if (given === '') throw new AdminError(`There is no ${what} on standard input.`)
  return new Secret(given)
}
