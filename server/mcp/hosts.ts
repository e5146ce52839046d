import type { IncomingHttpHeaders } from 'node:http'

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/**
 * Whether `Host`, and `Origin` where there is one, name this server. A page in a browser can be made to resolve its own name
 * to our address (DNS rebinding); its requests then still carry that name. Ports don't matter.
 * Source: MCP, Transports > Security.
 */
export function createHostCheck(publicUrl: URL): (headers: IncomingHttpHeaders) => boolean {
  const ours = new Set([publicUrl.hostname, ...LOOPBACK])
  // The same few values come with every request; nothing else gets in, so this stays small.
  const seen = new Set<string>()
  const isOurs = (url: string) => {
    if (seen.has(url)) return true
    if (!URL.canParse(url) || !ours.has(new URL(url).hostname)) return false
    if (seen.size < 64) seen.add(url)
    return true
  }
  return ({ host, origin }) =>
    host !== undefined && isOurs(`http://${host}`) && (origin === undefined || isOurs(origin))
}
