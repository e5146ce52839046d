/**
 * The sandbox's WhatsApp: the fake Graph API, and a customer's phone that is used over HTTP. Settings come as JSON on standard
 * input; where both listen goes as one line of JSON to standard output.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import * as z from 'zod'
import { startFakeGraph } from '../graph/graph.ts'
import { type Customer, NothingToPress, Phone } from './phone.ts'

const settings = z
  .object({
    /** Access token that Graph takes. */
    token: z.string(),
    numberId: z.string(),
    wabaId: z.string(),
    webhook: z.url(),
    appSecret: z.string(),
    host: z.string().default('127.0.0.1'),
    graphPort: z.number().default(0),
    phonePort: z.number().default(0),
  })
  .parse(await json(process.stdin))

/** What the phone can be told to do. */
const orderSchema = z.union([
  z.strictObject({ say: z.string().min(1) }),
  z.strictObject({
    picture: z.base64(),
    mimeType: z.enum(['image/jpeg', 'image/png']),
    caption: z.string().optional(),
  }),
  z.strictObject({ press: z.string().min(1) }),
])

/** What an operator can do at Meta: make and revoke access tokens, reset the app secret. And what may happen there: Graph goes away. */
const metaSchema = z.strictObject({
  tokens: z.array(z.string()).optional(),
  appSecret: z.string().optional(),
  isReachable: z.boolean().optional(),
})

const { numberId, wabaId, host } = settings
const graph = await startFakeGraph({
  tokens: [settings.token],
  numbers: { [numberId]: wabaId },
  host,
  port: settings.graphPort,
  onAccepted: (message) => {
    const phone = message.to.endsWith(smoke.waId) ? smoke : ana
    phone.receive(message).catch((error: unknown) => {
      process.stderr.write(`a status was not taken: ${error instanceof Error ? error.message : error}\n`)
    })
  },
})
graph.addTemplate({
  wabaId,
  name: 'order_update',
  components: [
    {
      type: 'BODY',
      text: 'Hello {{1}}, your order {{2}} is on its way.',
      example: { body_text: [['Ana', '1042']] },
    },
  ],
})
graph.addTemplate({
  wabaId,
  name: 'feedback_request',
  category: 'MARKETING',
  components: [{ type: 'BODY', text: 'How did we do? We read every answer.' }],
})
const newPhone = (customer: Customer) =>
  new Phone({
    graph,
    numberId,
    wabaId,
    webhook: new URL(settings.webhook),
    appSecret: settings.appSecret,
    customer,
  })
const ana = newPhone({ waId: '15550002222', name: 'Ana' })
/** Machines have a customer of their own, so that a newcomer's conversation is the newcomer's. */
const smoke = newPhone({ waId: '15550003333', name: 'Smoke test' })

const control = createServer(async (request, response) => {
  const phone = request.url === '/smoke' ? smoke : ana
  try {
    if (request.url === '/meta')
      return answer(response, 200, await administer(metaSchema.parse(await json(request))))
    if (request.method === 'GET') return answer(response, 200, { lines: phone.lines })
    const order = orderSchema.safeParse(await json(request))
    if (!order.success) return answer(response, 400, { error: z.prettifyError(order.error) })
    answer(response, 200, await obey(phone, order.data))
  } catch (error) {
    const meant = error instanceof NothingToPress
    answer(response, meant ? 409 : 502, { error: error instanceof Error ? error.message : String(error) })
  }
})
control.listen(settings.phonePort, host, () => {
  const { port } = control.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ graph: graph.url.origin, phone: `http://${host}:${port}` })}\n`)
})

function obey(phone: Phone, order: z.infer<typeof orderSchema>) {
  if ('say' in order) return phone.say(order.say)
  if ('press' in order) return phone.press(order.press)
  return phone.sendPicture(Buffer.from(order.picture, 'base64'), order.mimeType, order.caption)
}

async function administer({ tokens, appSecret, isReachable }: z.infer<typeof metaSchema>) {
  if (tokens) {
    graph.tokens.clear()
    for (const token of tokens) graph.tokens.add(token)
  }
  if (appSecret) for (const phone of [ana, smoke]) phone.appSecret = appSecret
  if (isReachable === true) await graph.listen(settings.graphPort)
  if (isReachable === false) await graph.stop()
  return { tokens: graph.tokens.size }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
