/**
 * Runs on the host, as root: makes media files as the server keeps them, and prints a line `id path bytes sha256` each.
 * Arguments: the directory, Meta's id of the number, megabytes.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [root = '', number = '', megabytes = '0'] = process.argv.slice(2)
const APP = 65532
/** Mostly videos and documents by bytes, mostly pictures by count. */
const KINDS = [
  { share: 0.8, bytes: 8_000_000 },
  { share: 0.2, bytes: 200_000 },
]

const month = join(number, '2026', '11')
for (const part of [number, join(number, '2026'), month]) {
  mkdirSync(join(root, part), { recursive: true, mode: 0o750 })
  chownSync(join(root, part), APP, APP)
}
for (const { share, bytes } of KINDS) {
  const body = randomBytes(bytes)
  const count = Math.ceil((Number(megabytes) * 1e6 * share) / bytes)
  for (let file = 0; file < count; file += 1) {
    randomBytes(32).copy(body)
    const id = randomUUID()
    const place = join(month, `${id}.pdf`)
    writeFileSync(join(root, place), body, { mode: 0o640 })
    chownSync(join(root, place), APP, APP)
    process.stdout.write(`${id}\t${place}\t${bytes}\t${createHash('sha256').update(body).digest('hex')}\n`)
  }
}
