import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { noAnswer } from './errors.ts'
import { brokenConnection } from './http.ts'

const META_HOSTS = ['facebook.com', 'fbcdn.net', 'fbsbx.com', 'whatsapp.net']
const REDIRECTS = 3
const TIMEOUT_MS = 30_000

/**
 * Fetches a file with the token, which goes to hosts of Meta's and nowhere else. Only the time until the headers is limited
 * here; whoever reads the body limits the rest.
 *
 * @param graphUrl Where Graph is: a host of Meta's, whatever its name, and the only one that may be without TLS.
 * @throws MetaError
 */
export async function download(
  address: string,
  headers: Readonly<Record<string, string>>,
  graphUrl: URL,
): Promise<{ body: Readable; mimeType: string | null }> {
  const first = allowed(address, graphUrl)
  let url = first
  for (let hops = 0; hops <= REDIRECTS; hops += 1) {
    const response = await fetchHeaders(url, headers)
    const location = response.headers.get('location')
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel()
      url = new URL(location, url)
      if (url.origin !== first.origin) throw noAnswer('a file redirected to another host', 'never')
      continue
    }
    if (response.ok && response.body !== null) {
      const body = Readable.fromWeb(response.body as ReadableStream)
      return { body, mimeType: response.headers.get('content-type') }
    }
    await response.body?.cancel()
    const { status } = response
    throw noAnswer(`a file was answered with ${status}`, status >= 500 ? 'retry' : 'fix', status)
  }
  throw noAnswer(`a file redirected more than ${REDIRECTS} times`, 'never')
}

function allowed(address: string, graphUrl: URL): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.origin === graphUrl.origin) return url
  const { protocol, hostname, port } = url ?? {}
  const isMeta = META_HOSTS.some((host) => hostname === host || hostname?.endsWith(`.${host}`))
  if (url && protocol === 'https:' && port === '' && isMeta) return url
  throw noAnswer('a file is on a host that is not one of Meta', 'never')
}

async function fetchHeaders(url: URL, headers: Readonly<Record<string, string>>): Promise<Response> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), TIMEOUT_MS)
  try {
    return await fetch(url, { headers, redirect: 'manual', signal: late.signal })
  } catch (error) {
    throw brokenConnection(error)
  } finally {
    clearTimeout(timer)
  }
}
