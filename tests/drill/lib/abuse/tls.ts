import type { Drill } from '../drill.ts'
import { type Attempt, describe, newId, type Outcome, request } from './stranger.ts'

const say = [request('GET /webhook/meta', { id: newId('tls') })]

/** What is out of date, and must fail in the handshake. */
const REFUSED: readonly Attempt[] = [
  { name: 'TLS 1.0', tls: { version: 'TLSv1', ciphers: 'ALL' }, say },
  { name: 'TLS 1.1', tls: { version: 'TLSv1.1', ciphers: 'ALL' }, say },
  ...['kRSA', 'AES128-SHA256', 'CBC', 'DHE+AES', 'NULL', 'CAMELLIA', 'ARIAGCM'].map((ciphers) => ({
    name: `TLS 1.2 with ${ciphers}`,
    tls: { version: 'TLSv1.2', ciphers: ciphers === 'CBC' ? 'ECDHE+AES:!AESGCM:!AESCCM' : ciphers },
    say,
  })),
  { name: 'no protocol that we have', tls: { protocols: ['evil/1'] }, say },
]

const AGREED: readonly (Attempt & { readonly cipher: RegExp })[] = [
  { name: 'TLS 1.3', tls: { version: 'TLSv1.3' }, say, cipher: /^TLSv1\.3 TLS_/ },
  {
    name: 'TLS 1.2',
    tls: { version: 'TLSv1.2', ciphers: 'ALL' },
    say,
    cipher: /^TLSv1\.2 ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)$/,
  },
]

const RENEGOTIATION: Attempt = {
  name: 'renegotiation',
  tls: { version: 'TLSv1.2', renegotiate: true },
  say: [],
}

export const TLS: readonly Attempt[] = [...REFUSED, ...AGREED, RENEGOTIATION]

/** What was agreed on, with whom asks for less. */
export function judgeTls(drill: Drill, outcomes: ReadonlyMap<string, Outcome>): void {
  for (const { name } of REFUSED) {
    const found = outcomes.get(name)
    // Said by the other side: an error of our own, such as a cipher that we do not have, would prove nothing.
    const refused = /ALERT/.test(found?.error ?? '')
    drill.expect(`tls: ${name} is refused`, found?.agreed === '' && refused, describe(found))
  }
  for (const { name, cipher } of AGREED) {
    const found = outcomes.get(name)
    const good = cipher.test(found?.agreed ?? '') && found?.statuses.join() === '404'
    drill.expect(`tls: ${name} is agreed on, with forward secrecy`, good, describe(found))
  }
  const found = outcomes.get(RENEGOTIATION.name)
  const kept = found?.agreed.startsWith('TLSv1.2') && !found.renegotiated && found.error !== ''
  drill.expect('tls: nothing is negotiated anew', kept === true, describe(found))
}
