import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { readMigrations } from './db/migrations.ts'

const BUDGET_KB = 900
const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * The SDK loads a JSON Schema validator for answers to questions it asks clients. We ask none and hand it a stand-in, so the
 * validator would be a third of the bundle for nothing.
 */
const withoutAjv: Plugin = {
  name: 'without-ajv',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /validation\/ajv-provider\.js$/ }, () => ({ path: 'ajv', namespace: 'unused' }))
    onLoad({ filter: /.*/, namespace: 'unused' }, () => ({
      contents: 'export class AjvJsonSchemaValidator {}',
    }))
  },
}

/**
 * Node's own modules that cost more than the whole rest of the start when imported plainly.
 * `http`: an import evaluates every getter of the module, among them those that load Node's fetch (75 ms); asked for as
 * CommonJS it stays lazy. `tls`: only loaded for a database reached by TLS. `perf_hooks`: the one thing used is a global that loads itself.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    const contents: Record<string, string> = {
      http: "module.exports = process.getBuiltinModule('node:http')",
      tls: "exports.connect = (...args) => process.getBuiltinModule('node:tls').connect(...args)",
      perf_hooks: 'exports.performance = { now: () => performance.now() }',
    }
    onResolve({ filter: /^(node:)?(http|tls|perf_hooks)$/ }, ({ path }) => ({
      path: path.replace('node:', ''),
      namespace: 'lazy',
    }))
    onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => ({ contents: contents[path] ?? '' }))
  },
}

await mkdir(`${root}dist`, { recursive: true })
const result = await build({
  absWorkingDir: root,
  entryPoints: ['server/main.ts'],
  outfile: 'dist/server.js',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  minify: true,
  legalComments: 'none',
  sourcemap: 'external',
  metafile: true,
  // Some of the packages inside are CommonJS and call require() for Node's own modules.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  define: { BUNDLED_MIGRATIONS: JSON.stringify(readMigrations(new URL('db/sql/', import.meta.url))) },
  plugins: [withoutAjv, lazyBuiltins],
  logLevel: 'warning',
})

const bytes = result.metafile.outputs['dist/server.js']?.bytes ?? 0
const kilobytes = Math.ceil(bytes / 1024)
process.stdout.write(`dist/server.js  ${kilobytes} KB of ${BUDGET_KB}\n`)
if (kilobytes > BUDGET_KB) {
  process.stderr.write('The bundle is over its budget. See what grew: npx esbuild --analyze\n')
  process.exitCode = 1
}
