import { encodeQR } from 'qr'
import type { Secret } from '../../secrets/secret.ts'
import { printedGroups } from '../../secrets/typed.ts'

/** What the paper says. */
export interface Backup {
  readonly identity: Secret
  readonly recipient: string
  readonly role: string
  /** YYYY-MM-DD */
  readonly date: string
}

const PREFIX = 'AGE-SECRET-KEY-1'
const GROUPS_PER_ROW = 5

const KEEPING: Readonly<Record<string, string>> = {
  host: 'This key is typed in when the host is set up. Keep the paper where a fire at the host does not reach it.',
  recovery:
    'This key exists on paper only. Never store it on a disk. It is typed when a lost host comes back, and never before.',
}

/** Upper case, digits and dashes fit the denser alphanumeric mode; quartile correction survives a crease. */
const QR_OPTIONS = { ecc: 'quartile', encoding: 'alphanumeric', border: 2 } as const

function rowsOf(identity: Secret): { number: number; text: string }[][] {
  const groups = printedGroups(identity.reveal().slice(PREFIX.length)).map((text, index) => ({
    number: index + 1,
    text,
  }))
  const rows: { number: number; text: string }[][] = []
  for (let start = 0; start < groups.length; start += GROUPS_PER_ROW) {
    rows.push(groups.slice(start, start + GROUPS_PER_ROW))
  }
  return rows
}

/** A page for paper: complete in itself, nothing loaded, nothing run. */
export function pageOf({ identity, recipient, role, date }: Backup): string {
  const cells = rowsOf(identity).map(
    (row) => `<tr>${row.map(({ number, text }) => `<td><sup>${number}</sup>${text}</td>`).join('')}</tr>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Age key, ${escapeHtml(role)}</title>
<style>
  @page { margin: 18mm }
  body { font: 11pt/1.4 sans-serif; color: #000; max-width: 170mm; margin: auto }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 1mm 5mm }
  dt { font-weight: bold }
  dd { margin: 0; overflow-wrap: anywhere }
  table { border-spacing: 5mm 3mm; margin-left: -5mm }
  td, code { font-family: monospace }
  td { font-size: 18pt; white-space: nowrap }
  sup { font-size: 8pt; color: #555; margin-right: 1mm }
  svg { width: 50mm; height: 50mm; display: block }
</style>
</head>
<body>
<h1>Age key: ${escapeHtml(role)}</h1>
<dl>
<dt>Opens</dt><dd>secrets/secrets.enc.yaml of whatsapp-mcp: every secret in it</dd>
<dt>Recipient</dt><dd><code>${escapeHtml(recipient)}</code></dd>
<dt>Printed</dt><dd>${escapeHtml(date)}</dd>
</dl>
<p>${escapeHtml(KEEPING[role] ?? 'This key is its owner’s alone.')} Whoever reads this page reads every secret.</p>
<p><code>${PREFIX}</code> followed by:</p>
<table>
${cells.join('\n')}
</table>
${encodeQR(identity.reveal(), 'svg', QR_OPTIONS)}
<h2>Typing it back</h2>
<ol>
<li>Type the groups in order, row by row. Blanks, dashes and case do not matter; the first part may be left out.</li>
<li>The letters B, I and O do not occur, and 1 only in the first part: it is 8, L or 0.</li>
<li>Type ? for a character that cannot be read. Up to four wrong characters are found, by group number.</li>
<li>Rehearse now: <code>npx zx scripts/age-key.ts check</code></li>
</ol>
</body>
</html>
`
}

/** The same for a terminal, with the QR code in half blocks. */
export function terminalTextOf({ identity, recipient, role, date }: Backup): string {
  const rows = rowsOf(identity).map((row) =>
    row.map(({ number, text }) => `${String(number).padStart(4)} ${text.padEnd(4)}`).join(''),
  )
  // White on black whatever the terminal's own colours are, or a camera sees the code inverted.
  const code = encodeQR(identity.reveal(), 'ascii', QR_OPTIONS)
    .trimEnd()
    .split('\n')
    .map((line) => `\x1b[97;40m${line}\x1b[0m`)
  return `\nAge key: ${role}    ${date}\n${recipient}\n\n${PREFIX}\n${rows.join('\n')}\n\n${code.join('\n')}\n`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
}
