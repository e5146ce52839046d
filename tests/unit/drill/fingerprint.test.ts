import { describe, expect, it } from 'vitest'
import { canonical } from '../../drill/lib/fingerprint.ts'

describe('labels of a container', () => {
  const labels = (services: string) => ({
    'com.docker.compose.depends_on': services,
    'com.docker.compose.service': 'nginx',
  })

  it('are the same in whatever order Compose names the services', () => {
    expect(canonical('Labels', labels('app-b:service_started:false,app:service_started:false'))).toBe(
      canonical('Labels', labels('app:service_started:false,app-b:service_started:false')),
    )
  })

  it('differ where one waits for something else', () => {
    const one = canonical('Labels', labels('app:service_started:false'))
    expect(canonical('Labels', labels('app:service_healthy:false'))).not.toBe(one)
    expect(canonical('Labels', labels('app:service_started:false,app-b:service_started:false'))).not.toBe(one)
  })
})

describe('lists of a container', () => {
  it('are compared without their order where Docker fills them from a map, and with it elsewhere', () => {
    expect(canonical('Env', ['A=1', 'B=2'])).toBe(canonical('Env', ['B=2', 'A=1']))
    expect(canonical('Cmd', ['a', 'b'])).not.toBe(canonical('Cmd', ['b', 'a']))
  })
})
