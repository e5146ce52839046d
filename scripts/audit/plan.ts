import type { LocalSegment } from './local.ts'
import type { Holdings } from './remote.ts'
import { parseSegmentName } from './segment.ts'

export interface Plan {
  /** The line to go on with; absent when there is none yet. */
  readonly line: string | undefined
  /** What no line holds, oldest first. */
  readonly send: readonly LocalSegment[]
  /** What the line holds already, as it is here. */
  readonly held: readonly LocalSegment[]
  /** Names under which the line holds something else. */
  readonly differing: readonly string[]
  /** What the line holds of a time of which this host has segments too, only not these. */
  readonly unknown: readonly string[]
}

/** Compares this host's segments, oldest first, with what the far side holds. */
export function compare(local: readonly LocalSegment[], { lines, files }: Holdings): Plan {
  const line = lines.at(-1)
  const anywhere = new Set(files.map(({ name, sha256 }) => `${name} ${sha256}`))
  const inLine = new Map(files.filter((file) => file.line === line).map(({ name, sha256 }) => [name, sha256]))
  const send = local.filter(({ name, sha256 }) => !anywhere.has(`${name} ${sha256}`))
  const names = new Set(local.map(({ name }) => name))
  const oldest = local[0]?.first ?? Number.POSITIVE_INFINITY
  return {
    line,
    send,
    held: local.filter(({ name, sha256 }) => inLine.get(name) === sha256),
    differing: send.map(({ name }) => name).filter((name) => inLine.has(name)),
    unknown: [...inLine.keys()].filter((name) => !names.has(name) && lastIdOf(name) >= oldest),
  }
}

/** Of a segment; heads are no matter here. */
function lastIdOf(name: string): number {
  return parseSegmentName(name)?.last ?? 0
}
