import * as z from 'zod'
import type { Drill } from '../drill.ts'
import type { Host } from '../host.ts'
import { ADMIN, DOMAIN } from '../network.ts'
import type { OwnMachine } from '../own-machine.ts'
import { execute, type Reader, readPage, type Ways } from './execute.ts'

/** The stand-in's customer for machines. */
export const CUSTOMER = '+15550003333'
const KEY = /wamcp_live_[a-z2-7]{28}/

/** Makes the situation that pages are about, and has them read. One file in `situations/` for each. */
export type Situation = (stage: Stage) => Promise<void>

/** Where situations are made: a bootstrapped host, the operator's own machine, and the world around them. */
export class Stage {
  readonly drill: Drill
  readonly host: Host
  readonly own: OwnMachine
  /** Meta's id of the number that the stand-in serves, and the phone of its customer. */
  readonly numberId: string
  readonly phone: string

  constructor(drill: Drill, host: Host, own: OwnMachine, standIn: { numberId: string; phone: string }) {
    this.drill = drill
    this.host = host
    this.own = own
    this.numberId = standIn.numberId
    this.phone = standIn.phone
  }

  /** @returns whether all of the page was true */
  async read(
    name: string,
    reader: Partial<Pick<Reader, 'given' | 'typed' | 'own'>> = {},
    ways: Ways = {},
  ): Promise<boolean> {
    const given = { domain: DOMAIN, ...reader.given }
    const { drill, host, own } = this
    return execute(await readPage(name), { drill, host, own, ...reader, given }, ways)
  }

  /** The server's command line. */
  async admin(...argv: readonly string[]): Promise<string> {
    const { stdout, stderr } = await this.host.exec([...ADMIN, ...argv])
    return stdout + stderr
  }

  /** @returns a key of an existing client */
  async mint(client: string, scopes: string): Promise<string> {
    const key = KEY.exec(
      await this.admin('keys', 'mint', '--client', client, '--label', 'drill', '--scopes', scopes),
    )?.[0]
    if (key === undefined) throw new Error('keys mint printed no key')
    return key
  }

  /** What a tool answers an MCP client on the client's machine. */
  async call(key: string, name: string, given: Readonly<Record<string, unknown>>): Promise<unknown> {
    const order = { url: `https://${DOMAIN}/mcp`, key, calls: [{ name, arguments: given }] }
    const { stdout } = await this.drill.world.network.client(
      [
        ...['env', 'NODE_EXTRA_CA_CERTS=/root/acme-root.pem', '/project/node_modules/.bin/node'],
        '/project/tests/drill/probes/tools.ts',
      ],
      { input: JSON.stringify(order), limit: 60 },
    )
    return z.array(z.unknown()).parse(JSON.parse(stdout))[0]
  }

  /** The customer of the stand-in writes to the number. */
  async customerWrites(text: string): Promise<void> {
    await this.#post(this.phone, { say: text })
  }

  /** What an operator changes in Meta's settings: tokens that are valid, the app secret. */
  async atMeta(change: { tokens?: readonly string[]; appSecret?: string }): Promise<void> {
    await this.#post(new URL('/meta', this.phone).href, change)
  }

  /** What the host would have Meta believe. */
  async secretsOfMeta(): Promise<{ tokens: readonly string[]; appSecret: string }> {
    const read = async (name: string) =>
      (await this.host.read(`/run/whatsapp-mcp/secrets/app/${name}`)).trim()
    const [token, appSecret] = await Promise.all(['wa_default_access_token', 'wa_app_secret'].map(read))
    return { tokens: [token ?? ''], appSecret: appSecret ?? '' }
  }

  async #post(url: string, body: unknown): Promise<void> {
    await this.drill.world.network.client([
      ...['curl', '-sS', '--fail', '-H', 'content-type: application/json'],
      ...['--data', JSON.stringify(body), url],
    ])
  }
}
