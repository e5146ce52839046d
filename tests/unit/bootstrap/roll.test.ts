import { expect, test } from 'vitest'
import { roll } from '../../../bootstrap/lib/roll.ts'
import { type Output, render, type Shell } from '../../../bootstrap/lib/shell.ts'

/** A host whose new image gets healthy or not, and whose proxy learns the new addresses after some questions. */
function host(o: { sick?: string } = {}) {
  const done: string[] = []
  const address: Record<string, string> = { app: '172.20.0.2', 'app-b': '172.20.0.3' }
  let image = 'old'
  let questions = 0
  let last = 'app'
  const answer = (line: string, env: Record<string, string> = {}): Partial<Output> => {
    const service = / (app(?:-b)?)$/.exec(line)?.[1] ?? ''
    if (line.includes(' run ') && line.endsWith(' migrate')) done.push('migrate')
    if (line.includes(' up ')) {
      const wanted = env.WA_IMAGE_APP ?? 'new'
      done.push(`${service} ${wanted}`)
      image = wanted
      last = service
      address[service] = `172.20.0.${done.length + 10}`
      questions = 0
    }
    if (line.includes(' logs ')) return { stdout: 'Error: no such setting' }
    if (line.includes(' ps ')) return { stdout: `${service}\n` }
    if (line.startsWith('docker inspect') && line.includes('.Config.Image'))
      return { stdout: done.includes(`${service} new`) ? image : 'old' }
    if (line.includes('.RestartCount')) {
      const crashes = last === o.sick && image === 'new'
      return { stdout: crashes ? '1 restarting unhealthy' : '0 running healthy' }
    }
    if (line.startsWith('docker inspect')) return { stdout: `${address[service]}\n` }
    if (line.includes('wget')) {
      questions += 1
      // The first time the other replica answers, then this one after a vain try at its old address.
      const seen = questions % 3 === 0 ? `172.20.0.9:3000, ${address[last]}:3000` : '172.20.0.3:3000'
      if (questions % 3 === 0) done.push(`${/replica\/(\w+)/.exec(line)?.[1]} reaches ${last}`)
      return { stderr: `  HTTP/1.1 200 OK\n  X-Replica: ${seen}\n` }
    }
    return {}
  }
  const shell: Shell =
    (options = {}) =>
    async (pieces, ...args) => {
      const output = { stdout: '', stderr: '', exitCode: 0, ...answer(render(pieces, args), options.env) }
      if (output.exitCode !== 0 && options.allowFailure !== true) throw new Error('exit 1')
      return output
    }
  return { shell, done }
}

test('the second replica goes only when the proxy reaches the first at its new address, by both ways', async () => {
  const { shell, done } = host()
  await roll(shell)
  expect(done).toEqual([
    'migrate',
    ...['app new', 'app reaches app', 'app_fresh reaches app'],
    ...['app-b new', 'app reaches app-b', 'app_fresh reaches app-b'],
  ])
})

test('an image that does not get healthy: the one before comes back, the other replica is left alone', async () => {
  const { shell, done } = host({ sick: 'app' })
  await expect(roll(shell)).rejects.toMatchObject({
    message: 'app did not get healthy; the image before runs again: old',
    output: expect.stringContaining('no such setting'),
  })
  expect(done).toEqual(['migrate', 'app new', 'app old'])
})
