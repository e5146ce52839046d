import { GraphFailure, refuseUnless } from './failure.ts'
import { type Json, object, objects, text } from './json.ts'

/** Refuses an interactive message as Meta would. */
export function checkInteractive(interactive: Json): void {
  const kind = text(interactive.type, 'interactive.type', 40)
  text(
    object(interactive.body, 'interactive.body').text,
    'interactive.body.text',
    kind === 'list' ? 4096 : 1024,
  )
  if (interactive.footer !== undefined)
    text(object(interactive.footer, 'interactive.footer').text, 'interactive.footer.text', 60)
  if (interactive.header !== undefined) checkHeader(object(interactive.header, 'interactive.header'), kind)
  const action = object(interactive.action, 'interactive.action')
  const check = ACTIONS[kind]
  refuseUnless(check, 131009, `interactive.type ${kind} is not known`)
  check(action)
}

function checkHeader(header: Json, kind: string): void {
  const type = text(header.type, 'interactive.header.type', 20)
  if (type === 'text') text(header.text, 'interactive.header.text', 60)
  else refuseUnless(kind === 'button' && header[type], 131009, `a ${type} header does not go with ${kind}`)
}

const ACTIONS: Readonly<Record<string, (action: Json) => void>> = {
  button: (action) => {
    const buttons = objects(action.buttons, 'interactive.action.buttons', 1, 3).map((button, n) => {
      refuseUnless(button.type === 'reply', 131009, `button ${n} is no reply button`)
      return object(button.reply, `button ${n}`)
    })
    for (const { id, title } of buttons) {
      text(id, 'button id', 256)
      text(title, 'button title', 20)
    }
    refuseDuplicates(
      buttons.map(({ title }) => title),
      'button titles',
    )
    refuseDuplicates(
      buttons.map(({ id }) => id),
      'button ids',
    )
  },
  list: (action) => {
    text(action.button, 'interactive.action.button', 20)
    const sections = objects(action.sections, 'interactive.action.sections', 1, 10)
    const rows = sections.flatMap((section) => {
      if (sections.length > 1 || section.title !== undefined) text(section.title, 'section title', 24)
      return objects(section.rows, 'section rows', 1, 10)
    })
    refuseUnless(rows.length <= 10, 131009, 'a list has at most 10 rows in total')
    for (const { id, title, description } of rows) {
      text(id, 'row id', 200)
      text(title, 'row title', 24)
      if (description !== undefined) text(description, 'row description', 72)
    }
    refuseDuplicates(
      rows.map(({ id }) => id),
      'row ids',
    )
  },
  cta_url: (action) => {
    refuseUnless(action.name === 'cta_url', 131009, 'interactive.action.name must be cta_url')
    const parameters = object(action.parameters, 'interactive.action.parameters')
    text(parameters.display_text, 'display_text', 20)
    refuseUnless(URL.canParse(text(parameters.url, 'url', 2000)), 131009, 'url is no URL')
  },
  location_request_message: (action) => {
    refuseUnless(action.name === 'send_location', 131009, 'interactive.action.name must be send_location')
  },
}

function refuseDuplicates(values: readonly unknown[], what: string): void {
  if (new Set(values).size !== values.length) throw new GraphFailure(131009, `${what} must differ`)
}
