import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SecretName } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'

/** Where root's own jobs find their secrets, decrypted at boot. */
export const HOST_SECRETS = '/run/whatsapp-mcp/secrets/host'

const DECRYPT = 'systemctl restart whatsapp-mcp'

/**
 * A secret of the consumer `host`.
 * @returns `undefined` when it is not set
 * @throws Error when it cannot be read, or the secrets of this host are not decrypted at all
 */
export async function hostSecret(name: SecretName, directory = HOST_SECRETS): Promise<Secret | undefined> {
  try {
    return new Secret(await readFile(join(directory, name), 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') throw new Error(`the secret ${name} cannot be read in ${directory} (${code})`)
    await access(directory).catch(() => {
      throw new Error(`there is no ${directory}: the secrets are not decrypted. Run: ${DECRYPT}`)
    })
    return undefined
  }
}

/**
 * The same for a secret that must be there.
 * @throws Error naming the secret and how to set it
 */
export async function requiredHostSecret(name: SecretName, directory = HOST_SECRETS): Promise<Secret> {
  const secret = await hostSecret(name, directory)
  if (secret !== undefined) return secret
  throw new Error(
    `the secret ${name} is not set. Set it: npx zx scripts/secrets.ts set ${name}; then run: ${DECRYPT}`,
  )
}
