import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Subject } from '../measure.ts'
import { SERVER } from '../stack.ts'

/** The part that only a host with an Inngest server loads. */
const OPTIONAL = 'inngest-functions-'

export const bundle: Subject = {
  name: 'bundle',
  title: 'size of the built server',
  run: async () => {
    const dir = dirname(SERVER)
    const sizes = { needed: 0, optional: 0 }
    for (const name of await readdir(dir)) {
      if (!name.endsWith('.js')) continue
      const { size } = await stat(join(dir, name))
      sizes[name.startsWith(OPTIONAL) ? 'optional' : 'needed'] += size / 1024
    }
    const detail = `all parts, minified; ${sizes.optional.toFixed(0)} KB more where Inngest is used`
    return [{ name: 'bundle', value: sizes.needed, unit: 'KB', bar: { atMost: 900 }, detail }]
  },
}
