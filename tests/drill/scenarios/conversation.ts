import type { Drill } from '../lib/drill.ts'
import { smoke } from '../lib/smoke.ts'
import { standInFor } from '../lib/stand-in.ts'

export const title = 'a customer asks and an agent answers, through the whole stack'

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  await standInFor(drill, host)
  await smoke(drill, host)
}
