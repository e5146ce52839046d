import { HTTP2, judgeHttp2 } from '../lib/abuse/http2.ts'
import { INJECTION, judgeLogs } from '../lib/abuse/injection.ts'
import { probeConnections, probeLimits } from '../lib/abuse/limits.ts'
import { METHODS } from '../lib/abuse/methods.ts'
import { PATHS } from '../lib/abuse/paths.ts'
import { judge } from '../lib/abuse/row.ts'
import { probeSecrets } from '../lib/abuse/secrets.ts'
import { probeSix } from '../lib/abuse/six.ts'
import { SIZES } from '../lib/abuse/sizes.ts'
import { SLOW } from '../lib/abuse/slow.ts'
import { SMUGGLING } from '../lib/abuse/smuggling.ts'
import { SPOOFING } from '../lib/abuse/spoofing.ts'
import { Stranger } from '../lib/abuse/stranger.ts'
import { judgeTls, TLS } from '../lib/abuse/tls.ts'
import { Witness } from '../lib/abuse/witness.ts'
import type { Drill } from '../lib/drill.ts'

export const title = 'what strangers send in bad faith ends at nginx, or in the app without effect'

const QUICK = [...SMUGGLING, ...SPOOFING, ...PATHS, ...SIZES, ...METHODS, ...INJECTION]
/** Those that last wait side by side and not one after the other. */
const LASTING = [...SLOW, ...HTTP2]

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const witness = await Witness.call(host)
  const stranger = await Stranger.arrive(drill, 'stranger')
  const flood = await Stranger.arrive(drill, 'flood')
  try {
    const lasting = stranger.attempt(LASTING, { parallel: LASTING.length })
    const floods = probeConnections(drill, flood, stranger).then(() => probeLimits(drill, flood, stranger))
    const tls = await stranger.attempt(TLS)
    const quick = await stranger.attempt(QUICK, { parallel: 8 })
    await floods
    const outcomes = new Map([...quick, ...(await lasting)])
    const testimony = await witness.testify()
    judge(drill, [...QUICK, ...SLOW], { outcomes, testimony, address: stranger.address })
    judgeHttp2(drill, { outcomes, testimony })
    judgeTls(drill, tls)
    judgeLogs(drill, testimony)
    await probeSix(drill, host, stranger)
    await probeSecrets(drill, host, { stranger, flood })
  } finally {
    await Promise.all([stranger.leave(), flood.leave()])
  }
}
