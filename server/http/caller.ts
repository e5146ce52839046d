import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/

/** The caller's `X-Request-Id` when it is safe to log, else a new one. */
export function requestId(req: IncomingMessage): string {
  const given = req.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/** Where our own proxy can be: this machine or a container network. */
const proxies = new BlockList()
proxies.addSubnet('127.0.0.0', 8, 'ipv4')
proxies.addSubnet('10.0.0.0', 8, 'ipv4')
proxies.addSubnet('172.16.0.0', 12, 'ipv4')
proxies.addSubnet('192.168.0.0', 16, 'ipv4')
proxies.addAddress('::1', 'ipv6')
proxies.addSubnet('fc00::', 7, 'ipv6')

/**
 * The caller's address through exactly one trusted proxy: the last entry of `X-Forwarded-For`, which the proxy itself
 * wrote. Earlier entries are the caller's own claim and never read.
 */
export function callerAddress(req: IncomingMessage): string {
  const peer = (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const forwarded = req.headers['x-forwarded-for']
  if (typeof forwarded !== 'string') return peer
  const last = forwarded.slice(forwarded.lastIndexOf(',') + 1).trim()
  return isIP(last) !== 0 && proxies.check(peer, isIP(peer) === 6 ? 'ipv6' : 'ipv4') ? last : peer
}
