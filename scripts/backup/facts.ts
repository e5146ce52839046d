import { hostname } from 'node:os'
import * as z from 'zod'
import { $ } from 'zx'
import { COMPOSE, ROOT } from '../lib/stack.ts'
import type { Manifest } from './manifest.ts'

const run = $({ quiet: true, timeout: '60s', input: '' })

const container = z.object({ Service: z.string(), Image: z.string() })

/** Which program made a set, and what it ran with. */
export type Facts = Pick<Manifest, 'commit' | 'host' | 'images'>

/** @throws Error when Docker does not answer */
export async function hostFacts(): Promise<Facts> {
  // Root may not own the checkout, which git would refuse to look at.
  const commit = await run({ nothrow: true })`git -c safe.directory=${ROOT} -C ${ROOT} rev-parse HEAD`
  const containers = await run`docker ${COMPOSE} ps --format json`
  const lines = containers.stdout.split('\n').filter(Boolean)
  const images = lines.map((line) => container.parse(JSON.parse(line)))
  return {
    commit: commit.exitCode === 0 ? commit.stdout.trim() : 'unknown',
    host: hostname(),
    images: Object.fromEntries(images.map(({ Service, Image }) => [Service, Image])),
  }
}
