import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeQR } from 'qr/decode.js'
import { describe, expect, it } from 'vitest'
import { scratch } from '../../unit/secrets/fixtures.ts'
import { made, run, useCommands } from './commands.ts'

useCommands()

describe('scripts/age-key.ts', () => {
  it('makes a key that is shown once, or kept in a private file that is never overwritten', async () => {
    const shown = run('age-key.ts', ['new', '--json'])
    expect(JSON.parse(shown.stdout)).toMatchObject({
      identity: expect.stringMatching(/^AGE-SECRET-KEY-1[A-Z0-9]{58}$/),
      recipient: expect.stringMatching(/^age1[a-z0-9]{58}$/),
    })
    const plain = run('age-key.ts', ['new'])
    expect(plain.stdout).toMatch(/^AGE-SECRET-KEY-1[A-Z0-9]{58}\n$/)
    expect(plain.stderr).not.toMatch(/AGE-SECRET/)
    const root = await scratch()
    const host = join(root, 'host.key')
    expect(run('age-key.ts', ['new', '--out', host]).stdout).toMatch(/^age1[a-z0-9]{58}\n$/)
    expect((await stat(host)).mode & 0o777).toBe(0o600)
    const again = run('age-key.ts', ['new', '--out', host])
    expect(again.stderr).toMatch(/is not overwritten/)
    expect(run('age-key.ts', ['new', '--out', join(root, 'no/such/dir')]).stderr).toMatch(
      /cannot be written \(ENOENT\)/,
    )
  })

  it('prints a page that holds the key in groups, as QR code, and nothing from elsewhere', async () => {
    const { root, host, recipients } = await made()
    const page = join(root, 'page.html')
    const { status } = run('age-key.ts', ['print', '--key-file', host, '--out', page, '--root', root])
    expect(status).toBe(0)
    expect((await stat(page)).mode & 0o777).toBe(0o600)
    const html = await readFile(page, 'utf8')
    const groups = [...html.matchAll(/<sup>(\d+)<\/sup>([A-Z0-9]+)/g)]
    expect(groups.map(([, number]) => Number(number))).toEqual(
      Array.from({ length: 15 }, (_, index) => index + 1),
    )
    const key = await readFile(host, 'utf8')
    expect(key).toBe(`AGE-SECRET-KEY-1${groups.map(([, , text]) => text).join('')}\n`)
    expect(html).toContain('Age key: host')
    expect(html).toContain(recipients[0])
    expect(html.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script|src=|href=/)
    expect(run('age-key.ts', ['print', '--out', page], key).stderr).toMatch(/not overwritten/)
    expect(run('age-key.ts', ['print'], key).status).toBe(2)
  })

  it('prints a QR code that reads back as the key', async () => {
    const { root, host } = await made()
    const page = join(root, 'page.html')
    run('age-key.ts', ['print', '--key-file', host, '--out', page, '--root', root])
    const html = await readFile(page, 'utf8')
    expect(decodeSvg(html)).toBe((await readFile(host, 'utf8')).trim())
  })

  it('passes the drill for the right key only, and names the group of a slip', async () => {
    const { root, host, recovery, recipients } = await made()
    const key = (await readFile(host, 'utf8')).trim()
    const check = (typed: string, ...args: string[]) =>
      run('age-key.ts', ['check', '--root', root, ...args], typed)
    expect(check(key).status).toBe(0)
    expect(check(key.toLowerCase().replace(/(.{4})/g, '$1 '), '--role', 'host').status).toBe(0)
    expect(check(key, '--recipient', recipients[0] ?? '').status).toBe(0)
    expect(check(key, '--role', 'recovery')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/another one/),
    })
    const other = (await readFile(recovery, 'utf8')).trim()
    expect(check(other, '--role', 'host').status).toBe(1)
    const slip = key.slice(0, 30) + (key[30] === 'Q' ? 'P' : 'Q') + key.slice(31)
    expect(check(slip)).toMatchObject({ status: 1, stderr: expect.stringMatching(/group 4\./) })
    expect(check('nonsense').status).toBe(1)
    expect(check(key, '--role', 'nobody').status).toBe(2)
    expect(check(key, '--role', 'host', '--recipient', recipients[0] ?? '').status).toBe(2)
  })
})

/** Paints the squares of the page's drawing and reads them with the library's decoder. */
function decodeSvg(html: string): string {
  const size = Number(/viewBox="0 0 (\d+)/.exec(html)?.[1])
  const scale = 8
  const side = size * scale
  const data = new Uint8ClampedArray(side * side * 4).fill(255)
  let [x, y] = [0, 0]
  for (const [, move, dx, dy] of html.matchAll(/([Mm])(-?\d+) ?(-?\d+)h1v1(?:H\d+|h-1)Z/g)) {
    if (move === 'M') [x, y] = [0, 0]
    x += Number(dx)
    y += Number(dy)
    for (let pixel = 0; pixel < scale * scale; pixel++) {
      const at = ((y * scale + Math.floor(pixel / scale)) * side + x * scale + (pixel % scale)) * 4
      data.fill(0, at, at + 3)
    }
  }
  return decodeQR({ width: side, height: side, data })
}
