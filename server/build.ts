import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { readMigrations } from './db/migrations.ts'

const BUDGET_KB = 900
/** Only loaded where an Inngest server is configured; it is not counted. */
const OPTIONAL = 'server/jobs/inngest-functions.ts'
const root = fileURLToPath(new URL('..', import.meta.url))
/** `dist`, or the directory named by the caller. */
const outdir = resolve(process.argv[2] ?? `${root}dist`)

/**
 * What packages load and we never use: the SDK's validator for answers to questions a server asks its client (we ask none and
 * hand it a stand-in), pino's worker threads (we write to standard output ourselves), and of prom-client the metrics that come by
 * themselves, of several processes, or for a gateway. All cost size and start time.
 */
const withoutUnused: Plugin = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /validation\/ajv-provider\.js$/ }, () => ({ path: 'ajv', namespace: 'unused' }))
    onResolve({ filter: /^\.\/(lib\/)?transport$/ }, ({ importer }) =>
      importer.includes('/node_modules/pino/') ? { path: 'transport', namespace: 'unused' } : undefined,
    )
    onResolve({ filter: /^\.\/lib\/(summary|pushgateway|defaultMetrics|cluster)$/ }, ({ importer }) =>
      importer.endsWith('/node_modules/prom-client/index.js')
        ? { path: 'prom-client', namespace: 'unused' }
        : undefined,
    )
    onLoad({ filter: /^prom-client$/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }))
    onLoad({ filter: /^ajv$/, namespace: 'unused' }, () => ({
      contents: 'export class AjvJsonSchemaValidator {}',
    }))
    onLoad({ filter: /^transport$/, namespace: 'unused' }, () => ({
      contents: "module.exports = () => { throw new Error('log transports are left out of this bundle') }",
    }))
  },
}

/**
 * Node's own modules that cost more than the whole rest of the start when imported plainly.
 * `http`: an import evaluates every getter of the module, among them those that load Node's fetch (75 ms); asked for as
 * CommonJS it stays lazy. `tls`: only loaded for a database reached by TLS. Of the other two a single value is used, which
 * needs no module.
 */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    const contents: Record<string, string> = {
      http: "module.exports = process.getBuiltinModule('node:http')",
      tls: "exports.connect = (...args) => process.getBuiltinModule('node:tls').connect(...args)",
      worker_threads: 'exports.isMainThread = true',
      perf_hooks: 'exports.performance = { now: () => performance.now() }',
    }
    onResolve({ filter: /^(node:)?(http|tls|worker_threads|perf_hooks)$/ }, ({ path }) => ({
      path: path.replace('node:', ''),
      namespace: 'lazy',
    }))
    onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => ({ contents: contents[path] ?? '' }))
  },
}

await mkdir(outdir, { recursive: true })
const result = await build({
  absWorkingDir: root,
  entryPoints: { server: 'server/main.ts' },
  outdir,
  bundle: true,
  // What is imported later becomes a file of its own, so that the start does not read it.
  splitting: true,
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
  plugins: [withoutUnused, lazyBuiltins],
  logLevel: 'warning',
})

const { outputs } = result.metafile
const written = new Set(Object.keys(outputs).map((path) => basename(path)))
for (const name of await readdir(outdir)) {
  if (/\.js(\.map)?$/.test(name) && !written.has(name)) await rm(resolve(outdir, name))
}
const bytes = Object.entries(outputs)
  .filter(([name, { entryPoint }]) => name.endsWith('.js') && entryPoint !== OPTIONAL)
  .reduce((sum, [, output]) => sum + output.bytes, 0)
const kilobytes = Math.ceil(bytes / 1024)
process.stdout.write(`dist/server.js and its parts  ${kilobytes} KB of ${BUDGET_KB}\n`)
if (kilobytes > BUDGET_KB) {
  process.stderr.write('The bundle is over its budget. See what grew: npx esbuild --analyze\n')
  process.exitCode = 1
}
