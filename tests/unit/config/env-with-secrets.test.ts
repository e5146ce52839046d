import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  ConfigError,
  type Environment,
  loadAdminConfig,
  loadAppConfig,
  loadListenAddress,
  loadMigrateConfig,
} from '../../../server/config/env.ts'

const VALUES = {
  wa_app_secret: 'app-secret-for-this-test',
  wa_webhook_verify_token: 'verify-token-for-this-test',
  wa_default_access_token: 'access-token-for-this-test',
  api_key_pepper: 'pepper-for-this-test-0123456789abcdef',
  media_signing_secret: 'media-key-for-this-test-0123456789abc',
  postgres_password: 'superuser-password-0123456789',
  postgres_owner_password: 'owner-password-0123456789',
  postgres_app_password: 'app-role-password-0123456789',
}
let dir: string
let env: Environment

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'env-with-secrets-'))
  for (const [name, value] of Object.entries(VALUES)) writeFileSync(join(dir, name), `${value}\n`)
  env = { SECRETS_DIR: dir, DATABASE_URL: 'postgres://db:5432/wa_mcp', PUBLIC_URL: 'https://wa.example.org' }
})
afterAll(() => rmSync(dir, { recursive: true }))

const problemsOf = (load: (env: Environment) => unknown, change: Environment) => {
  try {
    load({ ...env, ...change })
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

test('two addresses and a directory of secrets are enough', () => {
  const config = loadAppConfig(env)
  expect(config).toMatchObject({ bind: '127.0.0.1', port: 3000, logLevel: 'info', previousPepper: undefined })
  expect(config.publicUrl.hostname).toBe('wa.example.org')
  // A file may be replaced while we run, so it is not held on to.
  expect([...config.secretOverrides.keys()]).toEqual([])
  expect(config.databasePassword.reveal()).toBe(VALUES.postgres_app_password)
})

test('a variable wins over the file, as itself or as a reference', () => {
  const config = loadAppConfig({
    ...env,
    WA_APP_SECRET: 'secrets://wa_webhook_verify_token',
    WA_APP_SECRET_PREVIOUS: 'the-secret-before-this-one',
    API_KEY_PEPPER: 'another-pepper-0123456789-0123456789',
  })
  const expected = [VALUES.wa_webhook_verify_token, 'the-secret-before-this-one']
  const names = ['wa_app_secret', 'wa_app_secret_previous']
  expect(names.map((name) => config.secretOverrides.get(name)?.reveal())).toEqual(expected)
  expect(config.pepper.reveal()).toBe('another-pepper-0123456789-0123456789')
})

test('each command gets the secrets of its own consumer', () => {
  const migrate = loadMigrateConfig(env)
  expect(migrate.superuserPassword.reveal()).toBe(VALUES.postgres_password)
  expect(migrate.ownerPassword.reveal()).toBe(VALUES.postgres_owner_password)
  expect(loadAdminConfig({ ...env, PUBLIC_URL: undefined }).pepper.reveal()).toBe(VALUES.api_key_pepper)
  expect(loadListenAddress({ APP_BIND: '0.0.0.0', APP_HTTP_PORT: '8080' })).toEqual({
    bind: '0.0.0.0',
    port: 8080,
  })
})

test('everything that is wrong is listed at once', () => {
  const message = problemsOf(loadAppConfig, {
    DATABASE_URL: undefined,
    PUBLIC_URL: '',
    WA_APP_SECRET: 'changeme',
  })
  expect(message).toContain('DATABASE_URL is not set')
  expect(message).toContain('PUBLIC_URL is not set')
  expect(message).toContain('WA_APP_SECRET still holds a placeholder')
})

test('a missing secret stops every command that may read it', () => {
  const empty = mkdtempSync(join(tmpdir(), 'no-secrets-'))
  try {
    expect(problemsOf(loadAppConfig, { SECRETS_DIR: empty })).toContain(join(empty, 'media_signing_secret'))
    expect(problemsOf(loadMigrateConfig, { SECRETS_DIR: empty })).toContain(join(empty, 'postgres_password'))
    expect(problemsOf(loadAppConfig, { SECRETS_DIR: empty })).not.toContain('previous')
  } finally {
    rmSync(empty, { recursive: true })
  }
})

test.each([
  ['DATABASE_URL', 'mysql://db/wa_mcp', 'must look like'],
  ['DATABASE_URL', 'postgres://db:5432', 'must end with the name'],
  ['DATABASE_URL', 'postgres://user:hunter2hunter2@db/wa_mcp', 'no user and no password'],
  ['PUBLIC_URL', 'chat.firm.example', 'must be the public address'],
  ['PUBLIC_URL', 'http://wa.example.org', 'must start with https'],
  ['APP_BIND', 'everywhere', 'must be an IP address'],
  ['APP_HTTP_PORT', '70000', 'APP_HTTP_PORT'],
  ['APP_HTTP_PORT', 'three', 'must be a port number'],
  ['LOG_LEVEL', 'loud', 'LOG_LEVEL'],
])('%s=%s is refused, and the value not repeated', (name, value, words) => {
  const message = problemsOf(loadAppConfig, { [name]: value })
  expect(message).toContain(name)
  expect(message).toContain(words)
  expect(message).not.toContain(value)
})

test('plain http is fine on this machine', () => {
  expect(loadAppConfig({ ...env, PUBLIC_URL: 'http://127.0.0.1:3000' }).publicUrl.protocol).toBe('http:')
})

test('the listening address alone is checked as well', () => {
  expect(problemsOf(loadListenAddress, { APP_HTTP_PORT: '-1' })).toContain('APP_HTTP_PORT')
})

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
const pepper = 'the-previous-pepper-0123456789-abcdef'

test('D4.10 a previous pepper comes with its end, at most thirty days ahead', () => {
  const expires = inDays(29)
  const both = { API_KEY_PEPPER_PREVIOUS: pepper, API_KEY_PEPPER_PREVIOUS_EXPIRES: expires }
  expect(loadAppConfig({ ...env, ...both }).previousPepper?.expires.toISOString()).toBe(expires)
  const refused = (until: string | undefined) =>
    problemsOf(loadAppConfig, { API_KEY_PEPPER_PREVIOUS: pepper, API_KEY_PEPPER_PREVIOUS_EXPIRES: until })
  expect(refused(inDays(31))).toContain('at most 30 days')
  expect(refused('next week..')).toContain('must be a moment')
  expect(refused(undefined)).toContain('belong together')
})

test('no configuration shows a secret when it is printed', () => {
  const printed = JSON.stringify([loadAppConfig(env), loadMigrateConfig(env)])
  for (const value of Object.values(VALUES)) expect(printed).not.toContain(value)
})
