import { setTimeout as delay } from 'node:timers/promises'
import { personOf, signatureHeader, textDelivery } from '../delivery.ts'
import { ms, percentile } from '../figures.ts'
import { openSession, rpc } from '../mcp.ts'
import type { Subject } from '../measure.ts'

const WARM_UP = 20
const MESSAGES = 200
const PAUSE_MS = 40

export const notify: Subject = {
  name: 'notify',
  title: 'delivery to resources/updated at a subscribed client',
  run: async (openStack) => {
    const stack = await openStack()
    const server = await stack.startServer()
    const uri = `wamcp://numbers/${stack.number.waId}/messages`
    let heard: () => void = () => {}
    const session = await openSession(server, stack.tokens[0] ?? '', (data) => {
      if (data.includes('notifications/resources/updated') && data.includes(uri)) heard()
    })
    await session.post(rpc('resources/subscribe', { uri }))

    const times: number[] = []
    for (let n = 0; n < WARM_UP + MESSAGES; n += 1) {
      const body = textDelivery(stack.number, `notify.${n}`, personOf(n))
      const headers = {
        'content-type': 'application/json',
        'x-hub-signature-256': signatureHeader(body, stack.appSecret),
      }
      const late = AbortSignal.timeout(10_000)
      const notice = new Promise<void>((resolve, reject) => {
        heard = resolve
        late.addEventListener('abort', () => reject(new Error(`message ${n} was never announced`)))
      })
      const started = performance.now()
      const [response] = await Promise.all([
        fetch(`${server.origin}/webhook/meta`, { method: 'POST', headers, body }),
        notice.then(() => times.push(performance.now() - started)),
      ])
      if (!response.ok) throw new Error(`message ${n} was answered with ${response.status}`)
      await delay(PAUSE_MS)
    }
    session.close()
    await server.stop()
    const measured = times.slice(WARM_UP)
    return [
      {
        name: 'delivery to resources/updated, p99',
        value: percentile(measured, 0.99),
        unit: 'ms',
        bar: { atMost: 100 },
        detail: `median ${ms(percentile(measured, 0.5))} of ${MESSAGES}`,
      },
    ]
  },
}
