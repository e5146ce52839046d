import { isSecretName, problemOfValue } from '../../secrets/check.ts'
import { replaceFile } from '../../secrets/file.ts'
import { FAMILIES, SECRET_NAMES, type SecretName, specOf } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'
import { change } from '../../secrets/sops.ts'
import { command, tell, UsageError } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS } from '../lib/place.ts'
import { askHidden, isInteractive, readStdin } from '../lib/prompt.ts'
import { generate } from './init.ts'

export default command({
  usage: 'set NAME [--generate]',
  summary: 'sets one secret, from a hidden prompt or standard input',
  details: `  --generate            make a new random value, where the secret is one of ours
${PLACE_HELP}

The value is never an argument: arguments are visible to every user of the machine.`,
  positionals: ['NAME'],
  options: { ...PLACE_OPTIONS, generate: { type: 'boolean' } },
  async run(o, name = '') {
    if (!isSecretName(name)) throw new UsageError(`There is no such secret. Known: ${KNOWN.join(', ')}.`)
    const { opened } = await openPlace(o)
    const value = o.generate ? generated(name) : await given(name)
    const problem = problemOfValue(name, value)
    if (problem) throw new Error(`${name} ${problem}.`)
    const changed = await replaceFile(opened, () => change(opened, new Map(opened.values).set(name, value)))
    tell(changed ? `${name} is set. Commit secrets/secrets.enc.yaml.` : `${name} had that value already.`)
  },
})

const KNOWN = [...SECRET_NAMES, ...Object.keys(FAMILIES).map((family) => `${family}<name>`)]

function generated(name: SecretName): Secret {
  const { source, title } = specOf(name)
  if (source === 'ask') throw new UsageError(`${name} comes from elsewhere: ${title}.`)
  return generate(source.generate)
}

async function given(name: SecretName): Promise<Secret> {
  if (isInteractive()) {
    return askHidden(specOf(name).title, '', (typed) => problemOfValue(name, typed) ?? true)
  }
  if (process.stdin.isTTY)
    throw new Error('There is no terminal to ask on. Give the value on standard input.')
  return new Secret((await readStdin()).replace(/\r?\n$/, ''))
}
