import { describe, expect, test } from 'vitest'
import { proxyRuns, proxyStarts } from '../../../bootstrap/lib/proxy.ts'
import { recorder } from './recorder.ts'

/** A Docker that lists these containers: all of ours that are there, and all that publish the public ports. */
function docker({ ours = '', running = '' }): ReturnType<typeof recorder> {
  return recorder({
    'docker ps -q --all': { stdout: ours },
    'docker ps -q --filter publish': { stdout: running },
  })
}

describe('Docker holds the public ports', () => {
  test.each([
    ['of a container of ours that is being started', { ours: 'a1\n' }, true],
    ['of one that runs by now', { ours: 'a1\n', running: 'a1\n' }, true],
    ['of a stranger', { running: 'b2\n' }, false],
    ['of a stranger, and ours is stopped', { ours: 'a1\n', running: 'b2\n' }, false],
    ['of nobody it tells, and none is ours', {}, false],
  ])('%s', async (_, listed, expected) => {
    expect(await proxyStarts(docker(listed).shell)).toBe(expected)
  })

  test('and without Docker there is no container', async () => {
    const { shell } = recorder({ docker: { exitCode: 127, stdout: 'a1\n' } })
    expect(await proxyRuns(shell)).toBe(false)
    expect(await proxyStarts(shell)).toBe(false)
  })

  test('ours are known by their project, and the proxy among them by its service', async () => {
    const { shell, transcript } = docker({})
    await proxyRuns(shell)
    await proxyStarts(shell)
    expect(transcript[0]).toMatch(/publish=443 .*project=whatsapp-mcp/)
    expect(transcript[1]).toMatch(/--all .*project=whatsapp-mcp .*service=nginx/)
  })
})
