/** A process that makes a set, to be killed: `node make-set.ts '{"tools": …, "directory": …}'` */
import { makeSet } from '../../../scripts/backup/set.ts'
import { requestFor } from './request.ts'

await makeSet(requestFor(JSON.parse(process.argv[2] ?? '')))
