import type { Subject } from '../measure.ts'
import { backlog } from './backlog.ts'
import { batch } from './batch.ts'
import { bundle } from './bundle.ts'
import { history } from './history.ts'
import { list } from './list.ts'
import { local } from './local.ts'
import { memory } from './memory.ts'
import { notify } from './notify.ts'
import { ping } from './ping.ts'
import { sessions } from './sessions.ts'
import { start } from './start.ts'
import { steady } from './steady.ts'
import { webhook } from './webhook.ts'

/** Everything that is measured, the quick ones first. */
export const SUBJECTS: readonly Subject[] = [
  bundle,
  start,
  memory,
  webhook,
  steady,
  batch,
  notify,
  ping,
  list,
  sessions,
  history,
  backlog,
  local,
]
