import { isOptional, isSecretName } from '../../secrets/check.ts'
import { replaceFile } from '../../secrets/file.ts'
import { change } from '../../secrets/sops.ts'
import { command, tell } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS } from '../lib/place.ts'

export default command({
  usage: 'unset NAME',
  summary: 'removes one optional or unknown secret',
  details: PLACE_HELP,
  positionals: ['NAME'],
  options: PLACE_OPTIONS,
  async run(o, name = '') {
    if (isSecretName(name) && !isOptional(name)) {
      throw new Error(`${name} is required: the stack does not start without it. Use set to replace it.`)
    }
    const { opened } = await openPlace(o)
    const values = new Map(opened.values)
    if (!values.delete(name)) {
      tell('There is no such secret in the file. Nothing to do.')
      return
    }
    await replaceFile(opened, () => change(opened, values))
    tell(`${name} is removed. Commit secrets/secrets.enc.yaml.`)
  },
})
