import type { Person } from './items.ts'
import { identifier, type Json, object, phoneDigits, text } from './json.ts'

/** One of `contacts`, or anything else that names somebody the same way. */
export function readPerson(contact: Json): Person {
  const profile = object(contact.profile)
  return {
    bsuid: identifier(contact.user_id),
    parentBsuid: identifier(contact.parent_user_id),
    waId: phoneDigits(contact.wa_id),
    username: text(profile.username, 256),
    name: text(profile.name, 256),
  }
}

/** The `contacts` of a delivery: what the people in its messages are called. */
export class People {
  readonly #byId = new Map<string, Person>()

  constructor(contacts: readonly Json[]) {
    for (const person of contacts.map(readPerson)) {
      for (const id of [person.bsuid, person.waId]) if (id !== null) this.#byId.set(id, person)
    }
  }

  /** Adds what is known about somebody who is given by id. */
  complete(person: Person): Person {
    const found = this.#byId.get(person.bsuid ?? '') ?? this.#byId.get(person.waId ?? '')
    if (found === undefined) return person
    return {
      bsuid: person.bsuid ?? found.bsuid,
      parentBsuid: person.parentBsuid ?? found.parentBsuid,
      waId: person.waId ?? found.waId,
      username: found.username,
      name: found.name,
    }
  }
}
