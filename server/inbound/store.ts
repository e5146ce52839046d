import { lockNumber } from '../db/number-lock.ts'
import type { Database, Transaction } from '../db/pool.ts'
import type { PhoneNumber } from '../numbers/numbers.ts'
import { type Contact, later } from './contact.ts'
import { loadContacts, saveContacts } from './contacts.ts'
import type { Directory } from './directory.ts'
import type { MessageItem, Person, PreferenceItem, StatusItem } from './items.ts'
import { insertMessages, onlyNew } from './messages.ts'
import { storeStatuses } from './statuses.ts'

/** What a delivery says about one number. */
export interface Updates {
  readonly messages: readonly MessageItem[]
  readonly statuses: readonly StatusItem[]
  readonly preferences: readonly PreferenceItem[]
  /** Of the request that brought it. */
  readonly requestId: string | null
}

/** How much of it was new. */
export interface Stored {
  readonly messages: number
  readonly duplicates: number
  readonly statuses: number
  /** Statuses of messages we do not know (yet). */
  readonly parked: number
}

/** The customer service window. Source: Meta, Pricing > "customer service windows". */
const WINDOW_MS = 24 * 3_600_000

/**
 * Everything some deliveries bring for one number, in one transaction. A second time it changes nothing.
 *
 * @param deliveries In the order they came.
 * @returns what each of them brought.
 */
export async function storeUpdates(
  sql: Database,
  number: PhoneNumber,
  deliveries: readonly Updates[],
): Promise<readonly Stored[]> {
  const messages = deliveries.flatMap((delivery) => delivery.messages)
  const statuses = deliveries.flatMap((delivery) => delivery.statuses)
  const preferences = deliveries.flatMap((delivery) => delivery.preferences)
  const requestIds = new Map(
    deliveries.flatMap(({ messages, requestId }) => messages.map((message) => [message, requestId])),
  )
  const work = async (tx: Transaction): Promise<readonly Stored[]> => {
    // Sent together, run in this order: each look sees what was committed before the lock was ours.
    const [, , fresh, directory] = await Promise.all([
      lockNumber(tx, number.id),
      // Not flushed to disk: the delivery is, and can be processed again.
      tx`select set_config('synchronous_commit', 'off', true)`,
      onlyNew(tx, number.id, messages),
      loadContacts(tx, number.id, peopleOf({ messages, statuses, preferences })),
    ])
    const addressed = fresh.map((message) => ({
      message,
      contact: meetSender(directory, message),
      requestId: requestIds.get(message) ?? null,
    }))
    for (const { person } of statuses) directory.learn(person)
    for (const preference of preferences) noteChoice(directory, preference)
    await saveContacts(tx, number.id, directory)
    await insertMessages(tx, number, addressed)
    const { added, parked } = await storeStatuses(tx, number.id, statuses)
    const kept = new Set(fresh)
    return deliveries.map((delivery) => {
      const counts = {
        messages: delivery.messages.filter((message) => kept.has(message)).length,
        statuses: delivery.statuses.filter((status) => added.has(status)).length,
        parked: delivery.statuses.filter((status) => parked.has(status)).length,
      }
      const all = delivery.messages.length + delivery.statuses.length
      return { ...counts, duplicates: all - counts.messages - counts.statuses }
    })
  }
  return (await sql.begin(work)) as readonly Stored[]
}

function meetSender(directory: Directory, message: MessageItem): Contact {
  const { person, identityChange, at } = message
  const contact = identityChange ? directory.change(identityChange) : directory.meet(person)
  contact.lastMessageAt = new Date()
  if (message.opensWindow && at !== null) {
    contact.lastInboundAt = later(contact.lastInboundAt, at)
    // By the time the customer wrote, not by the time we heard of it.
    contact.windowExpiresAt = later(contact.windowExpiresAt, new Date(at.getTime() + WINDOW_MS))
  }
  return contact
}

/** A late `resume` does not undo a newer `stop`: nobody gets marketing they refused. */
function noteChoice(directory: Directory, { person, choice, at }: PreferenceItem): void {
  const contact = directory.meet(person)
  if (choice === 'stop') contact.optedOutAt = later(contact.optedOutAt, at)
  else if (contact.optedOutAt !== null && contact.optedOutAt <= at) contact.optedOutAt = null
}

function peopleOf({
  messages,
  statuses,
  preferences,
}: Omit<Updates, 'requestId'>): Pick<Person, 'bsuid' | 'waId'>[] {
  return [
    ...messages.flatMap(({ person, identityChange }) =>
      identityChange ? [person, identityChange.before] : [person],
    ),
    ...statuses.map(({ person }) => person),
    ...preferences.map(({ person }) => person),
  ]
}
