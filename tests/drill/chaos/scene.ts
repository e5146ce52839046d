import { REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { say, until } from '../lib/progress.ts'
import type { Result } from '../lib/run.ts'
import type { Traffic } from '../lib/traffic.ts'

/** One fault under steady traffic; it leaves the host as it found it. */
export type Row = (scene: Scene) => Promise<void>

/** Longest time that any fault may cost, seconds: beyond it the row fails. Limits of the promise are in bars.json. */
const PATIENCE_S = 120

/** First lines of scripts: processes and addresses of the stack's containers, however many replicas the server has. */
const VOCABULARY = `
apps() { docker ps --filter name=whatsapp-mcp-app --format '{{.Names}}'; }
pid() { docker inspect --format '{{.State.Pid}}' "$1"; }
address() { docker inspect --format '{{(index .NetworkSettings.Networks "whatsapp-mcp_edge").IPAddress}}' "$1"; }
now() { date +%s%3N; }
health() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 "http://$1:3000/health" || true; }
`

/** What a row plays on: a healthy host, traffic that flows, and a place for its figures. */
export class Scene {
  readonly drill: Drill
  readonly host: Host
  readonly traffic: Traffic

  constructor(drill: Drill, host: Host, traffic: Traffic) {
    this.drill = drill
    this.host = host
    this.traffic = traffic
  }

  /** Runs a fixed script that knows the words of the vocabulary. @returns what it printed, trimmed */
  async script(text: string, args: readonly string[] = []): Promise<string> {
    return (await this.host.sh(VOCABULARY + text, args, { limit: PATIENCE_S })).stdout.trim()
  }

  /** Does something to the host. @returns the moment before, in milliseconds since 1970 */
  async strike(text: string, args: readonly string[] = []): Promise<number> {
    const [moment = ''] = (await this.script(`now\n${text}`, args)).split('\n')
    return Number(moment)
  }

  /** Waits until deliveries are acknowledged again, one after the other. @returns seconds since `from` */
  async back(from: number): Promise<number> {
    return until('acknowledged deliveries', PATIENCE_S, async () => this.traffic.backAfter(from))
  }

  /** Waits until a delivery begun after `from` has failed: the fault bites. @returns how it failed */
  async bites(from: number): Promise<string> {
    const failed = () =>
      this.traffic.attempts.find((one) => one.what === 'delivery' && one.started >= from && !one.ok)?.outcome
    return until('a delivery that fails', PATIENCE_S, async () => failed())
  }

  /** Notes a figure under its name in bars.json. */
  measure(name: string, seconds: number): void {
    this.drill.measured[name] = seconds
    say(`    ${name} ${seconds.toFixed(2)} s`)
  }

  expect(title: string, ok: boolean, detail = ''): void {
    this.drill.expect(title, ok, detail)
  }

  /** One of the project's programs, on the host. */
  program(name: string, ...args: string[]): Promise<Result> {
    const argv = [`${REPOSITORY}/node_modules/.bin/node`, `${REPOSITORY}/scripts/${name}`]
    return this.host.exec([...argv, ...args], { mayFail: true })
  }

  /** How deliveries begun since then have failed, and how often. */
  failures(from: number): string {
    const failed = this.traffic.attempts.filter(
      ({ what, ok, started }) => what === 'delivery' && !ok && started >= from,
    )
    const counts = Object.entries(Object.groupBy(failed, ({ outcome }) => outcome))
    return counts.map(([outcome, list]) => `${outcome} ×${list?.length}`).join(', ')
  }

  /** Waits until the unit is active and no container is away or ill. Docker may not have looked at its health again yet. */
  async ready(): Promise<void> {
    const ask = `systemctl is-active whatsapp-mcp || true
      docker ps --filter label=com.docker.compose.project=whatsapp-mcp --format '{{.Status}}' | grep -vcE '[(](healthy|health: starting)[)]' || true`
    await until('a stack that is up', PATIENCE_S, async () => {
      const { stdout } = await this.host.sh(ask, [], { mayFail: true })
      return stdout.trim() === 'active\n0' || undefined
    })
  }
}

/** The replicas of the server, as the compose file calls them. */
export async function appServices(scene: Scene): Promise<readonly string[]> {
  const names = await scene.script('apps')
  return names.split('\n').map((name) => name.replace(/^whatsapp-mcp-|-\d+$/g, ''))
}
