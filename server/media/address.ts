import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * Whether an address belongs to the open internet. Private, loopback, link-local, carrier-grade and reserved ranges do not,
 * nor does any way to write an IPv4 address inside an IPv6 one (IANA special-purpose address registries).
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast') return false
  // Everything assigned so far is below 2000::/3; the rest of the space belongs to nobody.
  return parsed instanceof ipaddr.IPv4 || ((parsed.parts[0] ?? 0) & 0xe000) === 0x2000
}
