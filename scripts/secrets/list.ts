import { isOptional, isSecretName, problemOfValue } from '../../secrets/check.ts'
import { SECRET_NAMES, SECRETS, type SecretName, specOf } from '../../secrets/schema.ts'
import { command, printJson } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS } from '../lib/place.ts'

interface Row {
  name: string
  title: string
  state: 'set' | 'unset' | 'unusable' | 'unknown'
  required: boolean
  consumers: readonly string[]
}

export default command({
  usage: 'list [--json]',
  summary: 'shows which secrets there are and which are set; never a value',
  details: `  --json                print an array of {name, title, state, required, consumers}\n${PLACE_HELP}`,
  options: { ...PLACE_OPTIONS, json: { type: 'boolean' } },
  async run(o) {
    const { values } = (await openPlace(o)).opened
    const describe = (name: SecretName): Row => {
      const value = values.get(name)
      const state = value === undefined ? 'unset' : problemOfValue(name, value) ? 'unusable' : 'set'
      const { title, consumers } = specOf(name)
      return { name, title, state, required: !isOptional(name), consumers }
    }
    const others = [...values.keys()].filter((name) => !Object.hasOwn(SECRETS, name))
    const rows: Row[] = [
      ...SECRET_NAMES.map(describe),
      ...others.map((name) =>
        isSecretName(name)
          ? describe(name)
          : ({ name, title: '', state: 'unknown', required: false, consumers: [] } as const),
      ),
    ]
    if (o.json) return void printJson(rows)
    const width = Math.max(...rows.map(({ name }) => name.length))
    for (const { name, title, state, required } of rows) {
      const shown = state === 'unset' && !required ? '-' : state
      process.stdout.write(`${name.padEnd(width)}  ${shown.padEnd(8)}  ${title}\n`)
    }
  },
})
