import { get } from 'node:http'

/**
 * Asks `/health` of the server on this machine. The container counts as healthy when it can do its work, not merely when it
 * runs: compose holds the proxy back until then, and Docker does not restart an unhealthy container, so a database outage
 * causes no restart loop.
 */
export function healthcheck({ bind, port }: { bind: string; port: number }): Promise<boolean> {
  const host = bind === '0.0.0.0' ? '127.0.0.1' : bind === '::' ? '::1' : bind
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/health', timeout: 2_000 }, (res) => {
      res.resume()
      resolve(res.statusCode === 200)
    })
    request.on('timeout', () => request.destroy()).on('error', () => resolve(false))
  })
}
