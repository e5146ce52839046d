import { median } from '../figures.ts'
import { throughput } from '../loads/throughput.ts'
import { callTool } from '../mcp.ts'
import type { Subject } from '../measure.ts'

export const ping: Subject = {
  name: 'ping',
  title: 'tools/call ping with key, limits and durable audit, against bare node:http and the SDK alone',
  run: async (openStack) => {
    const stack = await openStack()
    const [ours = [], bare = [], sdk = []] = await throughput(stack, callTool('ping'), [
      () => stack.startServer(),
      () => stack.startFloor('bare'),
      () => stack.startFloor('sdk'),
    ])
    const per = (values: readonly number[]) => `${median(values).toFixed(0)}/s`
    return [
      {
        name: 'ping, against node:http',
        value: median(ours) / median(bare),
        unit: '× floor',
        bar: { atLeast: 0.25 },
        detail: `${per(ours)}, floor ${per(bare)}`,
      },
      {
        name: 'ping, against a server per request',
        value: median(ours) / median(sdk),
        unit: '× floor',
        bar: { atLeast: 3 },
        detail: `${per(ours)}, floor ${per(sdk)}`,
      },
    ]
  },
}
