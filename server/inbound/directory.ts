import { absorb, type Contact, current, newContact } from './contact.ts'
import type { IdentityChange, Person } from './items.ts'

type Ids = Pick<Person, 'bsuid' | 'waId'>

/** An identity a contact no longer goes by. */
export interface FormerIdentity extends Ids {
  readonly contact: Contact
  readonly reason: string
}

/**
 * The contacts one batch touches, and what it teaches about who they are. Decides in memory; nothing is written here.
 *
 * The business-scoped id decides, the phone number only helps: numbers are passed on to strangers, and a stranger must not be
 * taken for the person before.
 */
export class Directory {
  readonly #touched = new Set<Contact>()
  readonly #merged: Contact[] = []
  readonly #former: FormerIdentity[] = []
  readonly #byBsuid = new Map<string, Contact>()
  readonly #byWaId = new Map<string, Contact>()
  readonly #byFormerBsuid: Map<string, Contact>

  constructor(known: readonly Contact[], byFormerBsuid: ReadonlyMap<string, Contact>) {
    this.#byFormerBsuid = new Map(byFormerBsuid)
    for (const contact of known) this.#index(contact)
  }

  /** Contacts to write. */
  get touched(): readonly Contact[] {
    return [...this.#touched].filter(({ mergedInto }) => mergedInto === null)
  }

  /** Contacts that turned out to be somebody we knew already. */
  get merged(): readonly Contact[] {
    return this.#merged
  }

  get former(): readonly FormerIdentity[] {
    return this.#former
      .map((identity) => ({ ...identity, contact: current(identity.contact) }))
      .filter(({ contact, bsuid, waId }) => contact.bsuid !== bsuid || contact.waId !== waId)
  }

  /** Whoever wrote to us: found and brought up to date, or new. */
  meet(person: Person): Contact {
    const known = this.#find(person)
    // A late message under an id from before a change tells nothing new.
    const past = known ?? this.#findFormer(person.bsuid)
    if (known === undefined && past !== undefined) return this.touch(past)
    const contact = known ?? newContact()
    const ids = { bsuid: person.bsuid ?? contact.bsuid, waId: person.waId ?? contact.waId }
    return this.#describe(this.#identify(contact, ids, 'seen'), person)
  }

  /** Somebody named in passing: may complete a contact we have, never changes or creates one. */
  learn(person: Person): void {
    const known = this.#find(person)
    if (known === undefined) return
    const holder = this.#holderOf(person.waId)
    const isFree = holder === undefined || holder === known || holder.bsuid === null
    const waId = known.waId ?? (isFree ? person.waId : null)
    const bsuid = known.bsuid ?? person.bsuid
    if (bsuid !== known.bsuid || waId !== known.waId) this.#identify(known, { bsuid, waId }, 'seen')
  }

  /** Somebody goes by other ids from now on. What was said under both belongs together. */
  change({ before, after, reason }: IdentityChange): Contact {
    const was = this.#find(before) ?? this.#findFormer(before.bsuid)
    const is = this.#find(after)
    // Changes may arrive in any order: then we know already what came after this one.
    const since = is ?? this.#findFormer(after.bsuid)
    // A new number comes with a new id; where that is not told we wait for the next message.
    const kept = reason === 'user_changed_number' ? null : (was?.bsuid ?? null)
    const ids =
      is === undefined && since !== undefined
        ? { bsuid: since.bsuid, waId: since.waId }
        : { bsuid: after.bsuid ?? is?.bsuid ?? kept, waId: after.waId ?? is?.waId ?? was?.waId ?? null }
    const contact = was && since && was !== since ? this.#merge(was, since) : (was ?? since ?? newContact())
    if (was === undefined) this.#addFormer({ ...before, contact, reason })
    return this.#describe(this.#identify(contact, ids, reason), after)
  }

  /** Has the contact written. */
  touch(contact: Contact): Contact {
    this.#touched.add(contact)
    return contact
  }

  /** By business-scoped id, else by phone number unless that belongs to somebody with another id. */
  #find({ bsuid, waId }: Ids): Contact | undefined {
    const byBsuid = bsuid === null ? undefined : this.#byBsuid.get(bsuid)
    if (byBsuid !== undefined && current(byBsuid).bsuid === bsuid) return current(byBsuid)
    // An id somebody used to have says who that is, and never becomes anybody else's.
    if (this.#findFormer(bsuid) !== undefined) return undefined
    const holder = this.#holderOf(waId)
    return holder === undefined || (holder.bsuid !== null && bsuid !== null) ? undefined : holder
  }

  #holderOf(waId: string | null): Contact | undefined {
    const indexed = waId === null ? undefined : this.#byWaId.get(waId)
    const holder = indexed && current(indexed)
    return holder?.waId === waId ? holder : undefined
  }

  #findFormer(bsuid: string | null): Contact | undefined {
    const contact = bsuid === null ? undefined : this.#byFormerBsuid.get(bsuid)
    return contact && current(contact)
  }

  /** Gives a contact these ids; whoever held the phone number until now is the same person, or loses it. */
  #identify(contact: Contact, ids: Ids, reason: string): Contact {
    const holder = this.#holderOf(ids.waId)
    const isOther = holder !== undefined && holder !== contact
    // Known by the number alone: it can only have been this person.
    const kept = isOther && holder.bsuid === null ? this.#merge(contact, holder) : contact
    if (isOther && holder.mergedInto === null && holder !== kept)
      this.#rename(holder, { ...holder, waId: null }, 'number_passed_on')
    return this.#rename(kept, ids, reason)
  }

  #rename(contact: Contact, { bsuid, waId }: Ids, reason: string): Contact {
    const { bsuid: oldBsuid, waId: oldWaId } = contact
    const isReplaced = (oldBsuid !== null && oldBsuid !== bsuid) || (oldWaId !== null && oldWaId !== waId)
    if (isReplaced) this.#addFormer({ contact, bsuid: oldBsuid, waId: oldWaId, reason })
    contact.bsuid = bsuid
    contact.waId = waId
    this.#index(contact)
    return this.touch(contact)
  }

  /** The older one stays, because its conversation is known by its id. */
  #merge(a: Contact, b: Contact): Contact {
    const [winner, loser] = a.createdAt <= b.createdAt ? [a, b] : [b, a]
    this.#addFormer({ contact: winner, bsuid: loser.bsuid, waId: loser.waId, reason: 'merged' })
    absorb(winner, loser)
    this.#merged.push(loser)
    this.#index(winner)
    return this.touch(winner)
  }

  #addFormer(identity: FormerIdentity): void {
    if (identity.bsuid === null && identity.waId === null) return
    this.#former.push(identity)
    if (identity.bsuid !== null) this.#byFormerBsuid.set(identity.bsuid, identity.contact)
  }

  #describe(contact: Contact, { parentBsuid, username, name }: Person): Contact {
    contact.parentBsuid = parentBsuid ?? contact.parentBsuid
    contact.username = username ?? contact.username
    contact.profileName = name ?? contact.profileName
    return contact
  }

  #index(contact: Contact): void {
    if (contact.bsuid !== null) this.#byBsuid.set(contact.bsuid, contact)
    if (contact.waId !== null) this.#byWaId.set(contact.waId, contact)
  }
}
