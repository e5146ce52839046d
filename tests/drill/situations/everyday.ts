import { ALERT_SECRETS } from '../lib/alerts.ts'
import { run } from '../lib/run.ts'
import { CUSTOMER, type Situation } from '../lib/runbook/stage.ts'

const SCOPES = 'tools:get_messages,tools:send_message'

/** Nothing has happened: somebody looks, or wants something. */
export const everyday: Situation = async (stage) => {
  await stage.read('post-deploy-smoke.md')
  await stage.read('host-bootstrap.md')
  await stage.read('hardening.md')
  await stage.read('scanners.md')
  await stage.read('incident-runbook.md')
  await stage.read('audit-archive.md')
  await stage.read('secrets.md', {
    given: { 'anna-recipient': await recipient() },
    // Another address of the same receiver.
    typed: { 'alert-url': () => `${ALERT_SECRETS.alert_url}/moved` },
  })
  await numbers(stage)
  await clients(stage)
}

async function recipient(): Promise<string> {
  const made = await run(['age-keygen'], { mayFail: true })
  return /age1[a-z0-9]{58}/.exec(made.stdout + made.stderr)?.[0] ?? ''
}

/** A second number of the account, with a token of its own and an app of its own. */
export const numbers: Situation = async (stage) => {
  const given = { 'phone-id': '200000000000077', 'account-id': '100000000000001' }
  const secret = (name: string) => () => `${name}-${'x'.repeat(32)}`
  const typed = { token: secret('token'), 'app-secret': secret('app-secret') }
  await stage.read('phone-number-onboarding.md', { given, typed }, { 'own-token': undefined, app: undefined })
  await stage.admin('numbers', 'disable', '--phone-id', given['phone-id'])
}

/** A desk that may write when somebody approves it, and has written. */
export const clients: Situation = async (stage) => {
  const approval = async (): Promise<void> => {
    const number = ['--client', 'support-desk', '--phone', stage.numberId]
    await stage.admin('grants', 'revoke', ...number)
    await stage.admin('grants', 'add', ...number, '--verbs', 'read,send', '--policy', 'approval')
    await stage.customerWrites('Is somebody there?')
    const key = await stage.mint('support-desk', SCOPES)
    await stage.call(key, 'send_message', { phone_number_id: stage.numberId, to: CUSTOMER, body: 'Yes.' })
  }
  await stage.read('clients.md', { given: { 'phone-id': stage.numberId } }, { approval, end: undefined })
}
