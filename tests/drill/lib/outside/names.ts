import type { Drill } from '../drill.ts'
import { DOMAIN } from '../network.ts'

const ROOT = ['--cacert', '/root/acme-root.pem']
const HSTS = /^strict-transport-security: max-age=31536000/im

/** Which names are answered, and how. */
export async function probeNames(drill: Drill): Promise<void> {
  const { client } = drill.world.network
  const curl = (...argv: string[]) => client(['curl', '-si', '--max-time', '10', ...argv], { mayFail: true })
  const address = (await client(['getent', 'hosts', DOMAIN])).stdout.split(/\s+/)[0] ?? ''
  const to = (name: string) => ['--resolve', `${name}:443:${address}`]

  const plain = await curl(`http://${DOMAIN}/mcp?x=1`)
  const redirected = /^HTTP\/1.1 301/.test(plain.stdout) && plain.stdout.includes(`https://${DOMAIN}/mcp?x=1`)
  drill.expect('http leads to https, path kept', redirected, plain.stdout)

  const stranger = await curl('-H', 'Host: stranger.example', `http://${DOMAIN}/`)
  // curl: 52 for a connection closed without a byte, 56 for one that was reset.
  const silent = [52, 56].includes(stranger.code) && stranger.stdout === ''
  drill.expect('an unknown Host on port 80 gets no answer', silent, `${stranger.code} ${stranger.stdout}`)
  const sni = await curl('-k', ...to('stranger.example'), 'https://stranger.example/')
  drill.expect(
    'an unknown name in the TLS handshake is refused',
    sni.code === 35,
    `${sni.code} ${sni.stdout}`,
  )
  const none = await curl('-k', `https://${address}/`)
  drill.expect('a handshake without a name is refused', none.code === 35, `${none.code} ${none.stdout}`)
  const mixed = await curl(...ROOT, '-H', 'Host: stranger.example', `https://${DOMAIN}/health`)
  drill.expect(
    'another Host behind the right name gets 421',
    /^HTTP\/\S+ 421/.test(mixed.stdout),
    mixed.stdout,
  )

  const good = await curl(...ROOT, `https://${DOMAIN}/health`)
  drill.expect(
    'the certificate leads to the ACME root',
    good.code === 0 && / 200/.test(good.stdout),
    good.stdout,
  )
  drill.expect('HSTS on a 200', HSTS.test(good.stdout), good.stdout)
  const missing = await curl(...ROOT, `https://${DOMAIN}/no-such-path`)
  drill.expect('HSTS on a 404', / 404/.test(missing.stdout) && HSTS.test(missing.stdout), missing.stdout)
  drill.expect('no version in the Server header', !/^server: .*\d/im.test(missing.stdout), missing.stdout)
  const untrusting = await curl(`https://${DOMAIN}/health`)
  drill.expect('who does not trust the ACME root refuses it', untrusting.code === 60, `${untrusting.code}`)
}
