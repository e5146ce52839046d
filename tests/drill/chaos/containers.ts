import { until } from '../lib/progress.ts'
import type { Row } from './scene.ts'

export const appKilled: Row = async (scene) => {
  const from = await scene.strike('for app in $(apps); do kill -9 "$(pid "$app")"; done')
  scene.measure('chaosAppKilled', await scene.back(from))
}

/** Docker takes this for the wish of a person and restarts nothing: the supervisor does. */
export const appDockerKilled: Row = async (scene) => {
  const from = await scene.strike('docker kill $(apps) > /dev/null')
  await scene.bites(from)
  scene.measure('chaosAppDockerKilled', await scene.back(from))
}

/** One replica is there and answers nothing. The other has to do until the supervisor restarts it. */
export const appHung: Row = async (scene) => {
  const started = "docker inspect --format '{{.State.StartedAt}}' whatsapp-mcp-app-1"
  const before = await scene.script(started)
  const from = await scene.strike('kill -STOP "$(pid whatsapp-mcp-app-1)"')
  const restarted = async () => (await scene.script(started)) !== before || undefined
  await until('a restart of what hangs', 180, restarted, 1)
  scene.measure('chaosAppHung', (Date.now() - from) / 1000)
}

export const nginxKilled: Row = async (scene) => {
  const from = await scene.strike('kill -9 "$(pid whatsapp-mcp-nginx-1)"')
  scene.measure('chaosNginxKilled', await scene.back(from))
}

/** Another process in the server's container takes all the memory, and the kernel ends the server. */
export const memoryFull: Row = async (scene) => {
  const pids = 'for app in $(apps); do pid "$app"; done'
  const before = await scene.script(pids)
  const from = await scene.strike(`
    for app in $(apps); do
      # The kernel shall choose the server.
      echo 1000 > "/proc/$(pid "$app")/oom_score_adj"
      docker exec "$app" /nodejs/bin/node -e 'const held = []; for (;;) held.push(Buffer.alloc(1e7, 1))' > /dev/null 2>&1 &
    done
    wait`)
  scene.measure('chaosMemoryFull', await scene.back(from))
  const after = await scene.script(pids)
  const survivors = before.split('\n').filter((pid) => after.split('\n').includes(pid))
  scene.expect('at its memory limit the server is ended and started again', survivors.length === 0, after)
}

/** The process that watches all the others. */
export const supervisorKilled: Row = async (scene) => {
  const starts =
    "docker ps --quiet --filter name=whatsapp-mcp | sort | xargs docker inspect --format '{{.State.StartedAt}}'"
  const before = await scene.script(starts)
  const from = await scene.strike('kill -9 "$(systemctl show --property MainPID --value whatsapp-mcp)"')
  await scene.ready()
  scene.measure('chaosSupervisorKilled', await scene.back(from))
  const after = await scene.script(starts)
  scene.expect('the containers live on without their supervisor', before === after, `${before}\n${after}`)
}
