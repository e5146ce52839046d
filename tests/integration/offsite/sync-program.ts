/** The job as a process of its own, which a test can kill. Everything comes on standard input. */
import { text } from 'node:stream/consumers'
import { openRemote } from '../../../scripts/offsite/remote.ts'
import { syncOffsite } from '../../../scripts/offsite/sync.ts'
import { offsiteSettings } from '../../../secrets/remotes.ts'
import { Secret } from '../../../secrets/secret.ts'

const { settings, key, ...places } = JSON.parse(await text(process.stdin))
await using remote = await openRemote(offsiteSettings(new Secret(JSON.stringify(settings))))
await syncOffsite({ remote, key: new Secret(key), ...places, progress: () => undefined })
