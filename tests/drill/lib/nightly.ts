import { type ReceivedAlert, readAlerts } from './alerts.ts'
import { BREAKAGES } from './breakages.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'

const UNIT = 'whatsapp-mcp-doctor.service'
/** One that no other line of the doctor is about. */
const BROKEN = 'data.restore-proved'

/** What the nightly look tells: what has changed since the last one, once. */
export async function proveNightlyReport(drill: Drill, host: Host): Promise<void> {
  const breakage = BREAKAGES.find(({ id }) => id === BROKEN)
  if (breakage === undefined) throw new Error(`there is no breakage ${BROKEN}`)
  const reports = async (): Promise<readonly ReceivedAlert[]> =>
    (await readAlerts(drill.world.network)).filter(({ unit }) => unit === UNIT)
  /** Runs the unit, and gives back what arrived meanwhile. */
  const look = async (): Promise<readonly ReceivedAlert[]> => {
    const before = (await reports()).length
    await host.exec(['systemctl', 'start', UNIT], { limit: 180 })
    return (await reports()).slice(before)
  }
  const isOne = (told: readonly ReceivedAlert[], pattern: RegExp): boolean =>
    told.length === 1 && told[0]?.lines.length === 1 && pattern.test(told[0].lines[0] ?? '')
  const show = (told: readonly ReceivedAlert[]): string => JSON.stringify(told, undefined, 1)

  await look()
  const quiet = await look()
  drill.expect('at night nothing is told when nothing has changed', quiet.length === 0, show(quiet))
  await host.sh(breakage.spoil)
  const broken = await look()
  drill.expect(
    'one thing that broke is one line',
    isOne(broken, /^no: a backup was really restored/),
    show(broken),
  )
  const again = await look()
  drill.expect('and is told once', again.length === 0, show(again))
  await host.sh(breakage.mend)
  const mended = await look()
  drill.expect(
    'so is its being right again',
    isOne(mended, /^yes: a backup was really restored/),
    show(mended),
  )
}
