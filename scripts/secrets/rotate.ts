import { replaceFile } from '../../secrets/file.ts'
import { readRecipients } from '../../secrets/recipients.ts'
import { rotate } from '../../secrets/sops.ts'
import { command, tell } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS } from '../lib/place.ts'

export default command({
  usage: 'rotate',
  summary: 'encrypts everything anew under a new data key, for the recipients of .sops.yaml',
  details: `${PLACE_HELP}

Older versions in git still open with the older keys. After a key was lost or a person left, replace
the secrets themselves as well.`,
  options: PLACE_OPTIONS,
  async run(o) {
    const { place, opened } = await openPlace(o)
    const recipients = await readRecipients(place.sopsYaml)
    await replaceFile(opened, () =>
      rotate(
        opened,
        recipients.map(({ recipient }) => recipient),
      ),
    )
    tell(
      `Encrypted anew for ${recipients.map(({ role }) => role).join(', ')}. Commit secrets/secrets.enc.yaml.`,
    )
  },
})
