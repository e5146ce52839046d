/** Where alerts of the drill's hosts arrive: every JSON body that is posted becomes a line of the file named. Arguments: PORT FILE */
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

const [port, file = ''] = process.argv.slice(2)

createServer((request, response) => {
  text(request).then(
    (body) => {
      appendFileSync(file, `${JSON.stringify(JSON.parse(body))}\n`)
      response.writeHead(204).end()
    },
    () => response.destroy(),
  )
}).listen(Number(port), '0.0.0.0')
