import { lookup } from 'node:dns/promises'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { isIP } from 'node:net'
import { VERSION } from '../version.ts'
import { isPublicAddress } from './address.ts'

/** How the outside is reached. Tests put a server on this machine in its place; production never changes it. */
export interface Outside {
  /** All addresses of a host name. */
  resolve(hostname: string): Promise<readonly string[]>
  allows(address: string, port: number): boolean
  get(options: RequestOptions, signal: AbortSignal): Promise<IncomingMessage>
}

/** Names or redirects lead somewhere we do not go. Says nothing about what is there. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/** The other side answered, but not with a file. */
export class BadAnswer extends Error {
  override readonly name = 'BadAnswer'
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const MOST_REDIRECTS = 3

export const outside: Outside = {
  resolve: async (hostname) =>
    (await lookup(hostname, { all: true, order: 'ipv4first' })).map(({ address }) => address),
  allows: (address, port) => port === 443 && isPublicAddress(address),
  get: async (options, signal) => {
    // Loading TLS is slow, and most servers never fetch anything.
    const { request } = await import('node:https')
    return new Promise((resolve, reject) => {
      request({ ...options, signal }, resolve)
        .once('error', reject)
        .end()
    })
  },
}

/**
 * Fetches what a caller named, without letting it reach anything that only we can reach. Host names are resolved here, every
 * address is checked, and the connection goes to exactly the address that was checked, so a name that changes its mind
 * in between gains nothing. Each redirect starts over. No credentials, cookies or referrer are sent.
 *
 * @throws AddressRefused, BadAnswer, or the network's own error.
 */
export async function fetchOutside(
  start: string,
  signal: AbortSignal,
  { resolve, allows, get }: Outside = outside,
): Promise<IncomingMessage> {
  let url = parse(start)
  for (let hops = 0; hops <= MOST_REDIRECTS; hops += 1) {
    const address = await checkedAddress(url)
    const response = await get(requestFor(url, address), signal)
    const { statusCode = 0, headers } = response
    if (statusCode === 200) return response
    response.destroy()
    if (!REDIRECTS.has(statusCode) || headers.location === undefined) {
      throw new BadAnswer(`the address answered ${statusCode}`)
    }
    url = parse(headers.location, url)
  }
  throw new BadAnswer(`more than ${MOST_REDIRECTS} redirects`)

  async function checkedAddress({ hostname, port }: URL): Promise<string> {
    const host = hostname.replace(/^\[|\]$/g, '')
    const addresses = isIP(host) ? [host] : await resolve(host)
    const [first] = addresses
    // One private address among public ones is how such an attack looks, so all of them must be fine.
    if (first === undefined || !addresses.every((address) => allows(address, Number(port || 443)))) {
      throw new AddressRefused('the address is not on the open internet')
    }
    return first
  }
}

function parse(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : undefined
  if (url?.protocol !== 'https:') throw new AddressRefused('the address is not an https:// URL')
  if (url.username || url.password) throw new AddressRefused('the address holds credentials')
  return url
}

function requestFor(url: URL, address: string): RequestOptions {
  const family = isIP(address)
  return {
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 443),
    path: `${url.pathname}${url.search}`,
    headers: { 'user-agent': `whatsapp-mcp/${VERSION}`, accept: '*/*', 'accept-encoding': 'identity' },
    // Kept connections would skip the look-up, and with it the check.
    agent: false,
    lookup: (_hostname, { all }, callback) =>
      all ? callback(null, [{ address, family }]) : callback(null, address, family),
  }
}
