import type { Secret } from '../../secrets/secret.ts'
import type { Logger } from '../log.ts'
import type { PhoneNumber } from '../numbers/numbers.ts'
import type { Graph } from './graph.ts'

export function createGraph(_o: {
  baseUrl: URL
  version: string
  tokenOf: (number: PhoneNumber) => Secret | undefined
  log: Logger
}): Graph {
  return {} as Graph
}
