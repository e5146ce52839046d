import { randomUUID } from 'node:crypto'

/** A row of `contacts`, as it is to become. */
export interface Contact {
  readonly id: string
  readonly createdAt: Date
  /** What `wa_id` is in the database; null for a contact that is not there yet. */
  readonly storedWaId: string | null
  bsuid: string | null
  parentBsuid: string | null
  waId: string | null
  username: string | null
  profileName: string | null
  lastInboundAt: Date | null
  windowExpiresAt: Date | null
  lastMessageAt: Date | null
  optedOutAt: Date | null
  /** Set once it turned out to be the same person as another contact, which stays. */
  mergedInto: Contact | null
}

/** Somebody of whom nothing is known yet. */
export function newContact(): Contact {
  return {
    id: randomUUID(),
    createdAt: new Date(),
    storedWaId: null,
    bsuid: null,
    parentBsuid: null,
    waId: null,
    username: null,
    profileName: null,
    lastInboundAt: null,
    windowExpiresAt: null,
    lastMessageAt: null,
    optedOutAt: null,
    mergedInto: null,
  }
}

/** The one that stays, for a contact that may have been merged. */
export function current(contact: Contact): Contact {
  return contact.mergedInto === null ? contact : current(contact.mergedInto)
}

/** The later of two moments; null is before every other. */
export function later(a: Date | null, b: Date | null): Date | null {
  return a === null || (b !== null && b > a) ? b : a
}

/** Lets `winner` know what only `loser` knew. */
export function absorb(winner: Contact, loser: Contact): void {
  winner.bsuid ??= loser.bsuid
  winner.parentBsuid ??= loser.parentBsuid
  winner.waId ??= loser.waId
  winner.username ??= loser.username
  winner.profileName ??= loser.profileName
  winner.lastInboundAt = later(winner.lastInboundAt, loser.lastInboundAt)
  winner.windowExpiresAt = later(winner.windowExpiresAt, loser.windowExpiresAt)
  winner.lastMessageAt = later(winner.lastMessageAt, loser.lastMessageAt)
  winner.optedOutAt = later(winner.optedOutAt, loser.optedOutAt)
  loser.mergedInto = winner
}
