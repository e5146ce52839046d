import { createHmac } from 'node:crypto'

/** Meta's ids of a number and its business account. */
export interface Addressee {
  readonly waId: string
  readonly wabaId: string
}

const PEOPLE = 500

/** What Meta posts for one text message: about 600 bytes. `id` makes the wamid, `person` the last digits of who wrote. */
export function textDelivery(to: Addressee, id: string, person: string): string {
  return JSON.stringify(envelope(to, [update(to, id, person)]))
}

/** Many messages in one delivery, each as an update of its own, from {@link PEOPLE} people. */
export function batchDelivery(to: Addressee, run: string, size: number): string {
  const updates = Array.from({ length: size }, (_, n) => update(to, `${run}.${n}`, personOf(n)))
  return JSON.stringify(envelope(to, updates))
}

/** Some person for the n-th message. */
export function personOf(n: number): string {
  return String(n % PEOPLE).padStart(4, '0')
}

export function signatureHeader(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
}

function envelope({ wabaId }: Addressee, changes: readonly unknown[]) {
  return { object: 'whatsapp_business_account', entry: [{ id: wabaId, changes }] }
}

function update({ waId }: Addressee, id: string, person: string) {
  const from = `1555100${person}`
  const bsuid = `US.1000000000000000${person}`
  return {
    field: 'messages',
    value: {
      messaging_product: 'whatsapp',
      metadata: { display_phone_number: '15550001111', phone_number_id: waId },
      contacts: [{ profile: { name: `Person ${person}` }, wa_id: from, user_id: bsuid }],
      messages: [
        {
          id: `wamid.BENCH.${id}`,
          from,
          from_user_id: bsuid,
          timestamp: String(Math.floor(Date.now() / 1000)),
          type: 'text',
          text: { body: `Is order ${id} on its way? I will be at home from four o'clock in the afternoon.` },
        },
      ],
    },
  }
}
