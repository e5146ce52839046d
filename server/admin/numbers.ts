import { integer, metaId, orNone, phone, secretRef, slug, title } from './checks.ts'
import { type Command, command } from './command.ts'
import {
  addNumber,
  capNumber,
  listNumbers,
  resumeNumber,
  rotateNumberToken,
  switchNumber,
} from './number-changes.ts'
import { checkNumbers } from './number-check.ts'
import { flag, may, must } from './option.ts'

const id = { 'phone-id': must('ID', "Meta's id of the number", metaId) }
const tokenRef = 'where its access token is, default secrets://wa_default_access_token'

export const numberCommands: readonly Command[] = [
  command({
    name: 'numbers add',
    summary: 'serves a number of a WhatsApp Business account',
    audited: 'with',
    options: {
      ...id,
      waba: must('ID', "Meta's id of the WhatsApp Business account", metaId),
      label: must('TEXT', 'for people and agents', title),
      'display-number': may('+NUMBER', 'as people dial it', phone),
      'token-ref': may('REF', tokenRef, secretRef),
      app: may('NAME', 'the Meta app that signs its webhooks, default: default', slug),
      client: may('NAME', 'to whom inbound messages are booked, default: the owner', slug),
    },
    run: (o) => (context) =>
      addNumber({
        phoneId: o['phone-id'],
        waba: o.waba,
        label: o.label,
        displayNumber: o['display-number'],
        tokenRef: o['token-ref'],
        app: o.app,
        client: o.client,
      })(context.sql),
  }),
  command({
    name: 'numbers list',
    summary: 'shows the numbers, their state, and where their tokens are',
    audited: 'not',
    options: {},
    run: () => (context) => listNumbers(context.sql),
  }),
  command({
    name: 'numbers check',
    summary: 'asks Meta about each number, with its own token; exit code 1 when Meta refuses one',
    audited: 'not',
    options: {
      'phone-id': may('ID', 'only this number', metaId),
      'token-ref': may('REF', 'only numbers whose access token is there', secretRef),
      'token-stdin': flag('with a token on standard input instead, such as one that should be revoked'),
    },
    run: (o) => checkNumbers({ phoneId: o['phone-id'], tokenRef: o['token-ref'], token: o['token-stdin'] }),
  }),
  command({
    name: 'numbers rotate-token',
    summary: 'points a number at another secret',
    audited: 'with',
    options: {
      ...id,
      'token-ref': must('REF', 'secrets://name of a secret in the encrypted file', secretRef),
    },
    run: (o) => (context) => rotateNumberToken(o['phone-id'], o['token-ref'])(context.sql),
  }),
  command({
    name: 'numbers disable',
    summary: 'takes a number out of every grant; its messages stay',
    audited: 'with',
    options: id,
    run: (o) => (context) => switchNumber(o['phone-id'], false)(context.sql),
  }),
  command({
    name: 'numbers enable',
    summary: 'puts it back',
    audited: 'with',
    options: id,
    run: (o) => (context) => switchNumber(o['phone-id'], true)(context.sql),
  }),
  command({
    name: 'numbers resume',
    summary: 'sends again from a number that was paused because Meta refused its token',
    audited: 'with',
    options: id,
    run: (o) => (context) => resumeNumber(o['phone-id'])(context.sql),
  }),
  command({
    name: 'numbers cap',
    summary: 'limits the messages per month (UTC) that Meta may charge for',
    audited: 'with',
    options: { ...id, monthly: must('COUNT|none', 'how many', orNone(integer(0, 100_000_000))) },
    run: (o) => (context) => capNumber(o['phone-id'], o.monthly)(context.sql),
  }),
]
