import type { ErrorCategory } from '../mcp/tool-error.ts'

/** A failure in words for whoever has to act on it. */
export interface Explanation {
  readonly category: ErrorCategory
  /** What happened; a sentence. */
  readonly reason: string
  /** What to do about it; a sentence. */
  readonly remedy: string
}

const OPERATOR = 'Tell the operator; sending again does not help.'
const LATER = 'It is tried again by itself; look at the message later with get_message.'
const FIT_TEMPLATE = 'Compare name, language and parameters with list_templates and send again.'

const explain = (category: ErrorCategory, reason: string, remedy: string): Explanation => ({
  category,
  reason,
  remedy,
})
const account = (reason: string, remedy = OPERATOR) => explain('account', reason, remedy)
const temporary = (reason: string, remedy = LATER) => explain('temporary', reason, remedy)
const input = (reason: string, remedy: string) => explain('invalid_input', reason, remedy)
const recipient = (reason: string, remedy: string) => explain('recipient', reason, remedy)
const template = (reason: string, remedy = FIT_TEMPLATE) => explain('template', reason, remedy)
const media = (reason: string, remedy: string) => explain('media', reason, remedy)

const EXPLANATIONS: ReadonlyMap<number, Explanation> = new Map([
  [0, account('Meta does not accept the access token of this number.')],
  [1, temporary('Meta had an error it does not explain.')],
  [2, temporary("Meta's service is briefly unavailable.")],
  [3, account('The access token lacks a permission.')],
  [4, temporary('The app has made too many calls; Meta asks for a pause of minutes.')],
  [10, account('The access token lacks a permission.')],
  [33, account('Meta knows no such phone number.')],
  [
    100,
    input(
      'Meta does not accept a parameter of the message.',
      'Correct what the details name and send again.',
    ),
  ],
  [190, account('Meta does not accept the access token of this number any more, so the number is paused.')],
  [368, account('Meta has restricted the account for a policy violation.')],
  [80007, temporary('The business account has made too many calls; Meta asks for a pause of minutes.')],
  [130429, temporary('The number sends faster than Meta allows.')],
  [
    130472,
    recipient(
      'Meta withholds marketing messages from this person for an experiment.',
      'Do not send it again.',
    ),
  ],
  [
    130497,
    recipient("Meta does not let this business write to the person's country.", 'Do not send it again.'),
  ],
  [131000, temporary('Meta had an error it does not explain.')],
  [131005, account('The access token lacks a permission.')],
  [131008, input('The message lacks something Meta requires.', 'Add what the details name and send again.')],
  [
    131009,
    input(
      'A value in the message is not valid, such as an unknown message id.',
      'Correct it and send again.',
    ),
  ],
  [131016, temporary("Meta's service is briefly unavailable.")],
  [131021, recipient('The recipient is the sending number itself.', 'Choose another recipient.')],
  [
    131026,
    recipient(
      'The message cannot be delivered: the person is not on WhatsApp, has not accepted its terms, or uses an old version.',
      'Check the number; reach the person another way.',
    ),
  ],
  [131031, account('Meta has locked the account.')],
  [131037, account('The display name of the number is not approved.')],
  [131042, account('Meta cannot charge the account: there is a problem with the payment method.')],
  [131045, account('The registration of the number is incomplete.')],
  [
    131047,
    explain(
      'window',
      'The person has not written for more than 24 hours, so only a template may be sent.',
      'Choose one with list_templates and send it with send_template, or wait until the person writes.',
    ),
  ],
  [
    131048,
    account(
      'Too many people blocked or reported this number, so Meta limits it.',
      'Stop sending and tell the operator.',
    ),
  ],
  [
    131049,
    recipient(
      'Meta held the message back because the person gets too many marketing messages.',
      'Wait at least 24 hours before another marketing message to this person.',
    ),
  ],
  [
    131050,
    recipient('The person has opted out of marketing messages.', 'Do not send marketing to this person.'),
  ],
  [131051, input('Meta does not support this type of message.', 'Send it as another type.')],
  [131052, media('The file the person sent cannot be downloaded.', 'Ask the person to send it again.')],
  [131053, media('Meta does not accept the file.', 'Check its type and size and send another one.')],
  [131056, temporary('Too many messages went to this person in a short time.')],
  [131057, temporary('The number is in maintenance at Meta.')],
  [
    131062,
    recipient('This template needs a phone number, not a user id.', 'Ask the person for the phone number.'),
  ],
  [132000, template('The template takes another number of parameters.')],
  [132001, template('There is no approved template of that name in that language.')],
  [
    132005,
    template('The template is too long with these parameters.', 'Shorten the parameters and send again.'),
  ],
  [132007, template('The content of the template breaks a rule of WhatsApp.', OPERATOR)],
  [132012, template('A parameter has another type than the template asks for.')],
  [132015, template('The template is paused because of its quality.', 'Choose another template.')],
  [132016, template('The template is disabled for good because of its quality.', 'Choose another template.')],
  [132068, template('The flow of the template is blocked.', OPERATOR)],
  [132069, template('The flow of the template is throttled.', 'Wait an hour and send again.')],
  [133010, account('The number is not registered with the Cloud API.')],
  [134011, account("The business has not accepted WhatsApp's payment terms.")],
])

const FAMILIES: readonly [from: number, to: number, Explanation][] = [
  [200, 299, account('The access token lacks a permission.')],
  [132000, 132999, template('Meta does not accept the template or its parameters.')],
  [133000, 133999, account('Something is wrong with the registration of the number.')],
]

/** Codes with words of their own. For the reference. */
export const META_CODES: readonly number[] = [...EXPLANATIONS.keys()]

/** Meta's code in words; `null` stands for a call that got no answer of Meta's. */
export function explainMetaError(code: number | null): Explanation {
  if (code === null || code < 0) return temporary('Meta could not be reached.')
  return (
    EXPLANATIONS.get(code) ??
    FAMILIES.find(([from, to]) => code >= from && code <= to)?.[2] ??
    input(
      `Meta refused the message with code ${code}.`,
      'Read the details; if they do not help, ask the operator.',
    )
  )
}
