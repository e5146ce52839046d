import type { Secret } from '../../secrets/secret.ts'
import type { Listener } from '../db/listener.ts'
import { type Database, within } from '../db/pool.ts'
import type { Vault } from './vault.ts'

/** A WhatsApp number of ours. */
export interface PhoneNumber {
  /** Ours; never shown outside. */
  readonly id: string
  /** Meta's, the one outside surfaces use. */
  readonly waId: string
  readonly wabaId: string
  readonly appId: string
  /** To whom inbound messages are booked. */
  readonly clientId: string
  readonly displayNumber: string | null
  readonly label: string
  readonly tokenRef: string
  readonly disabledAt: Date | null
  readonly pausedAt: Date | null
  readonly pausedReason: string | null
  readonly monthlyBillableCap: number | null
  readonly qualityRating: string | null
  readonly messagingLimit: string | null
}

/** A Meta app, which signs the webhooks of its numbers. */
export interface MetaApp {
  readonly id: string
  readonly name: string
  /** Current first, then the previous one while a reset is under way. Empty when the secret is missing on this host. */
  readonly secrets: readonly Secret[]
  readonly verifyToken: Secret | undefined
}

interface Book {
  readonly numbers: readonly PhoneNumber[]
  readonly byId: ReadonlyMap<string, PhoneNumber>
  readonly byWaId: ReadonlyMap<string, PhoneNumber>
  readonly apps: readonly MetaApp[]
}

const DEADLINE_MS = 4_000
const LONGEST_MS = 30_000

/** Numbers and apps, remembered until somebody changes them. */
export class Numbers {
  readonly #sql: Database
  readonly #vault: Vault
  readonly #listener: Listener
  #book: Promise<Book> | undefined
  #until = 0

  constructor(o: { sql: Database; vault: Vault; listener: Listener }) {
    this.#sql = o.sql
    this.#vault = o.vault
    this.#listener = o.listener
    const forget = () => {
      this.#book = undefined
    }
    o.listener.on('auth_changed', { onNotice: forget, onGap: forget })
  }

  async all(): Promise<readonly PhoneNumber[]> {
    return (await this.#read()).numbers
  }

  async byId(id: string): Promise<PhoneNumber | undefined> {
    return (await this.#read()).byId.get(id)
  }

  async byWaId(waId: string): Promise<PhoneNumber | undefined> {
    return (await this.#read()).byWaId.get(waId)
  }

  async apps(): Promise<readonly MetaApp[]> {
    return (await this.#read()).apps
  }

  /** The access token of a number; `undefined` when its secret is missing on this host. */
  tokenOf(number: PhoneNumber): Secret | undefined {
    return this.#vault.find(number.tokenRef)
  }

  #read(): Promise<Book> {
    if (this.#book !== undefined && Date.now() < this.#until) return this.#book
    const book = this.#load()
    this.#until = Date.now() + (this.#listener.listening ? LONGEST_MS : 1_000)
    this.#book = book
    // A failed look is no answer for the next caller.
    book.catch(() => {
      if (this.#book === book) this.#book = undefined
    })
    return book
  }

  async #load(): Promise<Book> {
    const [numbers, apps] = await within(
      DEADLINE_MS,
      Promise.all([
        this.#sql<PhoneNumber[]>`
          select id, wa_phone_number_id as "waId", wa_business_account_id as "wabaId", meta_app_id as "appId",
            client_id as "clientId", display_number as "displayNumber", label, access_token_secret_ref as "tokenRef",
            disabled_at as "disabledAt", paused_at as "pausedAt", paused_reason as "pausedReason",
            monthly_billable_cap as "monthlyBillableCap", quality_rating as "qualityRating", messaging_limit as "messagingLimit"
          from phone_numbers order by created_at, id`,
        this.#sql<{ id: string; name: string; current: string; previous: string | null; verify: string }[]>`
          select id, name, app_secret_ref as current, app_secret_previous_ref as previous, verify_token_ref as verify
          from meta_apps order by created_at, name`,
      ]),
    )
    return {
      numbers,
      byId: new Map(numbers.map((number) => [number.id, number])),
      byWaId: new Map(numbers.map((number) => [number.waId, number])),
      apps: apps.map(({ id, name, current, previous, verify }) => ({
        id,
        name,
        secrets: [current, previous].flatMap((reference) =>
          reference ? (this.#vault.find(reference) ?? []) : [],
        ),
        verifyToken: this.#vault.find(verify),
      })),
    }
  }
}
