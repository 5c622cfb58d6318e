/** Services and slices → rules, names and addresses. */
import { describe, expect, it } from 'vitest'
import { service, slice } from './fixtures.ts'
import { addressesOf, addressGiver, answerTo, natTable } from './services.ts'

const rules = (table: string) => table.split('\n').filter((line) => line.startsWith('-A LAB'))

describe('natTable', () => {
  const web = service('web', { clusterIP: '10.96.0.7' }, { loadBalancer: { ingress: [{ ip: '10.97.0.1' }] } })

  it('translates every address to every ready endpoint, each with its share', () => {
    const found = rules(natTable([web], [slice('web', ['10.244.0.2', '10.244.0.3'])], 'api:1'))
    expect(found).toEqual([
      '-A LAB -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.500000 -j DNAT --to-destination 10.244.0.2:8080',
      '-A LAB -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.0.3:8080',
      '-A LAB -d 10.97.0.1/32 -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.500000 -j DNAT --to-destination 10.244.0.2:8080',
      '-A LAB -d 10.97.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.0.3:8080',
    ])
  })
  it('knows no rule for what is unready, of another Service, namespace, port name, protocol or family', () => {
    const unready = slice('web', [], { endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: false } }] })
    const otherPort = slice('web', ['10.244.0.4'], { ports: [{ name: 'admin', port: 1 }] })
    const udp = slice('web', ['10.244.0.4'], { ports: [{ name: 'http', port: 8080, protocol: 'UDP' }] })
    const v6 = slice('web', ['fd00::1'], { addressType: 'IPv6' })
    const elsewhere = {
      ...slice('web', ['10.244.0.5']),
      metadata: { ...slice('web', []).metadata, namespace: 'other' },
    }
    expect(
      rules(natTable([web], [unready, otherPort, udp, v6, elsewhere, slice('api', ['10.244.0.6'])], 'api:1')),
    ).toEqual([])
  })
  it('leaves headless Services alone and leads the API’s Service to the API server', () => {
    expect(rules(natTable([service('web', { clusterIP: 'None' })], [slice('web', ['10.244.0.2'])], 'api:1'))).toEqual(
      [],
    )
    const base = service('kubernetes', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] })
    const kubernetes = { ...base, metadata: { ...base.metadata, namespace: 'default' } }
    expect(rules(natTable([kubernetes], [], '127.0.0.1:6'))).toEqual([
      '-A LAB -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 127.0.0.1:6',
    ])
  })
})

describe('addressGiver', () => {
  const balanced = (name: string, more = {}) => service(name, { type: 'LoadBalancer', ...more })
  const all = () => true

  it('counts up, and gives a Service the same address again', () => {
    const give = addressGiver('10.97')
    expect([give(balanced('a'), all), give(balanced('b'), all), give(balanced('a'), all)]).toEqual([
      '10.97.0.1',
      '10.97.0.2',
      '10.97.0.1',
    ])
  })
  it('does not give back at once what a deleted Service had', () => {
    const give = addressGiver('10.97')
    give(balanced('a'), all)
    expect(give(balanced('b'), (uid) => uid !== 'uid-a')).toBe('10.97.0.2')
  })
  it('never gives an address that ends with 0', () => {
    const give = addressGiver('10.97')
    const given = Array.from({ length: 300 }, (_, index) => give(balanced(`s${index}`), all))
    expect(new Set(given).size).toBe(300)
    expect(given.filter((ip) => ip?.endsWith('.0'))).toEqual([])
  })
  it.each(['192.0.2.1', '10.96.0.9', '10.97.1.', '10.970.1.1', 'fd00::1', 'web.example'])(
    'gives nothing to who asks for %s, which is not in the pool',
    (loadBalancerIP) => {
      const give = addressGiver('10.97')
      expect(give(balanced('a', { loadBalancerIP }), all)).toBeUndefined()
      expect(give(balanced('b'), all)).toBe('10.97.0.1')
    },
  )
  it('follows a wish, and leaves alone who has one or wants none', () => {
    const give = addressGiver('10.97')
    expect(give(balanced('a', { loadBalancerIP: '10.97.9.9' }), all)).toBe('10.97.9.9')
    expect(give({ ...balanced('b'), status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }, all)).toBeUndefined()
    expect(give(service('c', { type: 'ClusterIP' }), all)).toBeUndefined()
  })
})

describe('cluster DNS', () => {
  const services = [service('web', { clusterIP: '10.96.0.7' }), service('all', { clusterIP: 'None' })]
  const resolve = (name: string) => addressesOf(name, services, [slice('all', ['10.244.0.2', '10.244.0.3'])])

  it('answers a Service’s own address, the endpoints of a headless one, and nothing else', () => {
    expect(resolve('Web.shop.svc.cluster.local')).toEqual(['10.96.0.7'])
    expect(resolve('all.shop.svc.cluster.local')).toEqual(['10.244.0.2', '10.244.0.3'])
    expect(resolve('web.other.svc.cluster.local')).toBeUndefined()
    expect(resolve('example.org')).toBeUndefined()
  })

  const query = (name: string, type: number) => {
    const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)])
    return Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1])
  }
  it('writes A records that point to the question', () => {
    const answer = answerTo(query('all.shop.svc.cluster.local', 1), resolve)
    expect(answer?.subarray(0, 12).toString('hex')).toBe('123485800001000200000000')
    expect(answer?.subarray(-4).join('.')).toBe('10.244.0.3')
  })
  it('answers other types with nothing, unknown names with NXDOMAIN, and no half query', () => {
    expect(answerTo(query('web.shop.svc.cluster.local', 28), resolve)?.readUInt16BE(6)).toBe(0)
    expect(answerTo(query('example.org', 1), resolve)?.readUInt16BE(2)).toBe(0x8583)
    expect(answerTo(query('example.org', 1).subarray(0, 20), resolve)).toBeUndefined()
    expect(answerTo(Buffer.alloc(3), resolve)).toBeUndefined()
  })
})
