import type { Numbers, PhoneNumber } from '../numbers/numbers.ts'
import type { Item, LimitItem, MessageItem, PreferenceItem, StatusItem, TemplateItem } from './items.ts'

type AccountItem = TemplateItem | LimitItem
export type NumberItem = MessageItem | StatusItem | PreferenceItem

export interface Routed {
  readonly numbers: readonly { readonly number: PhoneNumber; readonly items: readonly NumberItem[] }[]
  readonly account: readonly AccountItem[]
  readonly dropped: readonly Dropped[]
  /** What has no use for us, by name. */
  readonly ignored: ReadonlyMap<string, number>
}

export interface Dropped {
  readonly reason: 'unknown_number' | 'disabled_number' | 'foreign_number' | 'foreign_account'
  /** undefined for accounts, and for numbers we do not know. */
  readonly number: PhoneNumber | undefined
  readonly count: number
}

/**
 * Sorts a delivery by whom it concerns. An app speaks for its own numbers only: whoever holds the secret of one must not be able
 * to write into the inbox of another.
 *
 * @param appId `meta_apps.id` of the app whose secret signed the delivery.
 */
export async function route(items: readonly Item[], appId: string, book: Numbers): Promise<Routed> {
  const numbers: { number: PhoneNumber; items: readonly NumberItem[] }[] = []
  const account: AccountItem[] = []
  const dropped: Dropped[] = []
  for (const [waId, group] of Map.groupBy(
    items.filter((item) => 'number' in item),
    ({ number }) => number,
  )) {
    const number = await book.byWaId(waId)
    if (number === undefined) dropped.push({ reason: 'unknown_number', number, count: group.length })
    else if (number.appId !== appId) dropped.push({ reason: 'foreign_number', number, count: group.length })
    else if (number.disabledAt) dropped.push({ reason: 'disabled_number', number, count: group.length })
    else numbers.push({ number, items: group })
  }
  for (const [wabaId, group] of Map.groupBy(
    items.filter((item) => 'waba' in item),
    ({ waba }) => waba,
  )) {
    const isOurs = (await book.all()).some((number) => number.wabaId === wabaId && number.appId === appId)
    if (isOurs) account.push(...group)
    else dropped.push({ reason: 'foreign_account', number: undefined, count: group.length })
  }
  const ignored = Map.groupBy(
    items.filter((item) => 'what' in item),
    ({ what }) => what,
  )
  return {
    numbers,
    account,
    dropped,
    ignored: new Map([...ignored].map(([what, { length }]) => [what, length])),
  }
}
