import { median } from '../figures.ts'
import { askOnce, throughput } from '../loads/throughput.ts'
import { rpc } from '../mcp.ts'
import type { Subject } from '../measure.ts'

export const list: Subject = {
  name: 'list',
  title: 'tools/list, against bare node:http with an answer of the same size',
  run: async (openStack) => {
    const stack = await openStack()
    const body = rpc('tools/list')
    const server = await stack.startServer()
    const size = Buffer.byteLength(await askOnce(stack, server, body))
    await server.stop()
    const [ours = [], bare = []] = await throughput(stack, body, [
      () => stack.startServer(),
      () => stack.startFloor('bare', String(size)),
    ])
    return [
      {
        name: 'tools/list, against node:http',
        value: median(ours) / median(bare),
        unit: '× floor',
        bar: { atLeast: 0.25 },
        detail: `${median(ours).toFixed(0)}/s, floor ${median(bare).toFixed(0)}/s, ${(size / 1024).toFixed(0)} KB`,
      },
    ]
  },
}
