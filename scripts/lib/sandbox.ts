import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** Where a running sandbox of this user says how to reach its customer's phone: `{ "phone": "http://127.0.0.1:…" }`. */
export function sandboxFile(): string {
  return join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `whatsapp-mcp-sandbox-${userInfo().uid}.json`)
}
