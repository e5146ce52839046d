import type { Row, Scene } from './scene.ts'

/** Does something to Postgres, and waits for the server's own word on it. @returns when it was done, and seconds until then */
async function noticed(scene: Scene, script: string): Promise<{ from: number; seconds: number }> {
  const output = await scene.script(`
    address=$(address "$(apps | head -n 1)")
    test "$(health "$address")" = 200
    now
    { ${script}; } > /dev/null &
    while [ "$(health "$address")" = 200 ]; do :; done
    now
    wait`)
  const [from = Number.NaN, then = Number.NaN] = output.split('\n').map(Number)
  return { from, seconds: (then - from) / 1000 }
}

/** In good order, and then nobody starts it: the supervisor gives who did that fifteen seconds. */
export const postgresStopped: Row = async (scene) => {
  const { from, seconds } = await noticed(scene, 'docker stop whatsapp-mcp-postgres-1')
  scene.measure('chaosPostgresStoppedNotice', seconds)
  await scene.bites(from)
  scene.measure('chaosPostgresStopped', await scene.back(from))
}

export const postgresKilled: Row = async (scene) => {
  const from = await scene.strike('kill -9 "$(pid whatsapp-mcp-postgres-1)"')
  scene.measure('chaosPostgresKilled', await scene.back(from))
}

/** Nothing arrives, and nobody is told so: connections stay open on both sides. */
export const networkCut: Row = async (scene) => {
  const rule = 'INPUT -p tcp --dport 5432 -j DROP'
  const inside = 'nsenter --net --target "$(pid whatsapp-mcp-postgres-1)" iptables'
  const { from, seconds } = await noticed(scene, `${inside} -I ${rule}`)
  scene.measure('chaosNetworkCutNotice', seconds)
  const outcome = await scene.bites(from).finally(() => mend())
  scene.expect('Meta gets an answer before it loses patience, and repeats', outcome === '503', outcome)

  async function mend(): Promise<void> {
    const mended = await scene.strike(`${inside} -D ${rule}`)
    scene.measure('chaosNetworkCut', await scene.back(mended))
  }
}

const DATA = "data=$(docker volume inspect --format '{{.Mountpoint}}' whatsapp-mcp_pgdata)"

/**
 * The database's file system fills up. It is one of its own for the time, in memory, since the disk of the machine that runs
 * the drill must not fill up.
 */
export const diskFull: Row = async (scene) => {
  await scene.script(`${DATA}
    systemctl stop whatsapp-mcp
    mkdir /run/small
    mount -t tmpfs -o "size=$(($(du -sm "$data" | cut -f 1) + 64))m" tmpfs /run/small
    cp -a "$data/." /run/small
    mount --bind /run/small "$data"
    systemctl start whatsapp-mcp`)
  try {
    await scene.back(Date.now())
    // Written until nothing goes in any more: what is free changes while Postgres writes.
    const from = await scene.strike('dd if=/dev/zero of=/run/small/filler bs=16k 2> /dev/null || :')
    const outcome = await scene.bites(from)
    scene.expect('a delivery that cannot be stored is not acknowledged', outcome === '503', outcome)
    const mended = await scene.strike('rm /run/small/filler')
    scene.measure('chaosDiskFull', await scene.back(mended))
  } finally {
    await scene.script(`${DATA}
      systemctl stop whatsapp-mcp
      rm -f /run/small/filler
      umount "$data"
      find "$data" -mindepth 1 -delete
      cp -a /run/small/. "$data"
      umount /run/small
      rmdir /run/small
      systemctl start whatsapp-mcp`)
  }
}
