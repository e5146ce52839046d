export const DAEMON_JSON = '/etc/docker/daemon.json'

/** What the engine is told. Merged into what is there: other programs on the host may have their own settings. */
export const DOCKER_SETTINGS: Readonly<Record<string, unknown>> = {
  'log-driver': 'json-file',
  'log-opts': { 'max-size': '50m', 'max-file': '10' },
  'live-restore': true,
  'userland-proxy': false,
  'no-new-privileges': true,
}
