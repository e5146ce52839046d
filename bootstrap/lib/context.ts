import type { Secret } from '../../secrets/secret.ts'
import type { Answers } from './answers.ts'
import type { Log } from './log.ts'
import type { Shell } from './shell.ts'

/** What every step may use. One per run. */
export interface Context {
  readonly mode: 'host' | 'local'
  /** The repository. */
  readonly root: string
  readonly paths: Paths
  readonly log: Log
  readonly shell: Shell
  /** Complete before any step starts, empty in a plan on a host that was never set up. */
  answers: Answers
  /** The age key, once the operator has typed it. */
  identity?: Secret
  /** Reads the age key without a prompt. */
  readonly readAgeKey: (() => Promise<string>) | undefined
  /** True when a person can be asked. */
  readonly interactive: boolean
  /** This host takes over from another, to which DNS may still lead. */
  readonly recovering: boolean
  /** False: the stack, its timers and its first backup stay as they are, and nothing is proved yet. */
  readonly start: boolean
  /** What the local sandbox is running, for the smoke test and for the end. */
  local?: LocalSandbox
}

export interface LocalSandbox {
  url?: string
  databaseUrl?: string
  /** The port the server is going to listen on. */
  port?: number
  /** The stand-in for Meta: where Graph is, and the customer's phone. */
  whatsapp?: { readonly graph: string; readonly phone: string }
  /** Undoes one thing; run in reverse order at the end. */
  readonly cleanUp: (() => Promise<void>)[]
}

/** Where things live. In the sandbox all of it is below one private directory. */
export interface Paths {
  readonly sopsYaml: string
  readonly secretsFile: string
  readonly etc: string
  readonly ageKey: string
  readonly run: string
  readonly secrets: string
  readonly state: string
  readonly logs: string
}

/** @param sandbox the private directory of `--local`; absent on a host. */
export function pathsFor(root: string, sandbox?: string): Paths {
  const repository = sandbox ?? root
  const at = (path: string) => (sandbox === undefined ? path : `${sandbox}${path}`)
  return {
    sopsYaml: `${repository}/.sops.yaml`,
    secretsFile: `${repository}/secrets/secrets.enc.yaml`,
    etc: at('/etc/whatsapp-mcp'),
    ageKey: at('/etc/whatsapp-mcp/age.key'),
    run: at('/run/whatsapp-mcp'),
    secrets: at('/run/whatsapp-mcp/secrets'),
    state: at('/var/lib/whatsapp-mcp'),
    logs: at('/var/log/whatsapp-mcp'),
  }
}
