import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** True when this module is the script that was started, by `node FILE` or by `zx FILE`. */
export function isMain(moduleUrl: string): boolean {
  const self = realpathSync(fileURLToPath(moduleUrl))
  return startedScript() === self
}

/** What was given to the script, whichever of the two started it. */
export function scriptArguments(): string[] {
  return process.argv.slice(startedBy('zx') ? 3 : 2)
}

function startedScript(): string | undefined {
  const path = process.argv[startedBy('zx') ? 2 : 1]
  try {
    return path === undefined ? undefined : realpathSync(path)
  } catch {
    return undefined
  }
}

function startedBy(name: string): boolean {
  const program = process.argv[1] ?? ''
  return program.endsWith(`/.bin/${name}`) || program.endsWith(`/${name}/build/cli.js`)
}
