import { explode } from '../../secrets/explode.ts'
import { readSecrets } from '../../secrets/file.ts'
import { command, printJson, tell, UsageError } from '../lib/cli.ts'
import { findIdentity, PLACE_HELP, PLACE_OPTIONS, placeIn } from '../lib/place.ts'

export default command({
  usage: 'explode --dir DIR [--no-chown] [--json]',
  summary: 'writes one file per secret and consumer; what the service does at boot',
  details: `  --dir DIR             where to, e.g. /run/whatsapp-mcp/secrets; nothing else may be in it
  --no-chown            leave the owners alone, for use without root
  --json                print {written, removed}
${PLACE_HELP}`,
  options: {
    ...PLACE_OPTIONS,
    dir: { type: 'string' },
    'no-chown': { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run(o) {
    if (!o.dir) throw new UsageError('--dir is missing.')
    const identity = await findIdentity(o['age-key-file'])
    const values = await readSecrets(placeIn(o.root).secretsFile, identity)
    const { written, removed } = await explode(values, o.dir, { chown: !o['no-chown'] })
    if (o.json) printJson({ written, removed })
    else tell(`${o.dir}: ${written.length} written, ${removed.length} removed.`)
  },
})
