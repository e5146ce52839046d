import { expect, test } from 'vitest'
import { type Page, parsePage } from '../drill/lib/runbook/page.ts'

const FENCE = '```'
const page = (...lines: readonly string[]): Page => parsePage('page.md', lines.join('\n'))
const block = (info: string, ...lines: readonly string[]): Page =>
  page('# A page', '## Do', `${FENCE}${info}`, ...lines, FENCE)

test('a page has a title, sections, and a table of what its reader fills in', () => {
  const read = page(
    '# A page',
    '## Decide',
    '| fill in | is |',
    '|---|---|',
    '| `<set>` | its name |',
    '## Do',
  )
  expect(read).toMatchObject({ title: 'A page', sections: ['Decide', 'Do'], given: ['set'], blocks: [] })
})

test('# is the host, $ the own machine, and the rest is what appears', () => {
  const { blocks } = block('console', '# wa keys list', 'ID  …', '$ git push', '# systemctl restart x')
  expect(blocks).toEqual([
    {
      ...{ line: 3, section: 'Do', id: undefined, drill: undefined, limit: 60 },
      steps: [
        { line: 4, where: 'host', command: 'wa keys list', expected: ['ID  …'], typed: [], exit: 0 },
        { line: 6, where: 'own', command: 'git push', expected: [], typed: [], exit: 0 },
        { line: 7, where: 'host', command: 'systemctl restart x', expected: [], typed: [], exit: 0 },
      ],
    },
  ])
})

test('a block may stand in a list, have a name, a limit, and another scenario that runs it', () => {
  const { blocks, others } = page(
    '1. First:',
    `   ${FENCE}console id=soft drill=recover limit=300`,
    '   # one \\',
    '     --two',
    '   shown',
    `   ${FENCE}`,
    `${FENCE}sh`,
    'for reading',
    FENCE,
  )
  expect(blocks[0]).toMatchObject({ line: 2, id: 'soft', drill: 'recover', limit: 300 })
  expect(blocks[0]?.steps[0]).toMatchObject({ line: 3, command: 'one \\\n  --two', expected: ['shown'] })
  expect(others).toEqual([{ line: 7, section: '', language: 'sh' }])
})

test('remarks are left out; a prompt is answered; an exit code is expected', () => {
  const { blocks } = block(
    'console',
    '# verb',
    'Token: ‹token›',
    'refused: …    ← as it must be',
    '',
    '[exit 3]',
  )
  expect(blocks[0]?.steps[0]).toMatchObject({
    expected: ['refused: …'],
    typed: [{ prompt: 'Token', name: 'token' }],
    exit: 3,
  })
})

test.each([
  ['a block has no attribute ide', 'console ide=x', ['# verb']],
  ['limit must be a number', 'console limit=soon', ['# verb']],
  ['a block begins with a command', 'console', ['shown', '# verb']],
  ['the block has no command', 'console', []],
])('%s', (message, info, lines) => {
  expect(() => block(info, ...lines)).toThrow(
    `page.md:${message.startsWith('a block begins') ? 4 : 3}: ${message}`,
  )
})

test('a block without an end is named', () => {
  expect(() => page('# A page', `${FENCE}console`, '# verb')).toThrow('page.md:2: the block has no end')
})
