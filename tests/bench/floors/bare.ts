/**
 * What the machine can do without us: a bare `node:http`, with the same Postgres client where the database is in play.
 * `bare.ts bare [BYTES]` answers a parsed JSON body with a fixed one of that size; `bare.ts insert` stores the body first.
 */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import postgres from 'postgres'

const [kind, bytes = '0'] = process.argv.slice(2)
const sql = kind === 'insert' ? postgres(process.env.FLOOR_DATABASE_URL ?? '', { max: 10 }) : undefined
if (sql)
  await sql`create table if not exists floor_events (id bigint generated always as identity primary key, body bytea)`

const answer = (text: string) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } })
const reply = answer('x'.repeat(Math.max(11, Number(bytes) - answer('').length)))
const server = createServer(async (req, res) => {
  const body = await buffer(req)
  if (sql) await sql`insert into floor_events (body) values (${body})`
  else JSON.parse(body.toString())
  res
    .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(reply) })
    .end(reply)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.stdout.write(
    `${JSON.stringify({ msg: 'listening', port: typeof address === 'object' && address?.port })}\n`,
  )
})
