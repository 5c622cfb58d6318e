/** What is claimed, and what a Gateway is told, where the API server has no ClusterTrustBundles. */
import { expect, test } from 'vitest'
import { decode } from './decode.ts'
import { supportedFeatures } from './features.ts'
import { frontendValidation } from './frontend.ts'
import { viewOf } from './view.ts'

test('ClusterTrustBundle is claimed where the API server has them and the definitions can name them; the rest does not change', () => {
  const claimed = supportedFeatures('v1.7.0', 'experimental', { trustBundles: true })
  expect(claimed).toContain('ClusterTrustBundle')
  const without = supportedFeatures('v1.7.0', 'experimental', { trustBundles: false })
  expect(without).toEqual(claimed.filter((each) => each !== 'ClusterTrustBundle'))
  expect(supportedFeatures('v1.7.0', 'standard', { trustBundles: true })).not.toContain('ClusterTrustBundle')
})

test.each([
  [true, 'InvalidCACertificateRef'],
  [false, 'InvalidCACertificateKind'],
])('a listener that names one which is not there, trustBundles %s: %s', (trustBundles, reason) => {
  const reference = { group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'roots' }
  const raw = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'web' },
    spec: {
      gatewayClassName: 'c',
      listeners: [{ name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'shop' }] } }],
      tls: { frontend: { default: { validation: { caCertificateRefs: [reference] } } } },
    },
  }
  const decoded = decode(raw, { depth: 'rules', namespace: 'default' })
  if (decoded.kind !== 'resource' || decoded.resource.kind !== 'Gateway') throw new Error(JSON.stringify(decoded))
  const view = viewOf((question) => (question === 'place' ? { kind: 'cluster', trustBundles } : undefined))
  const found = frontendValidation(decoded.resource, 443, view)
  expect([found?.accepted?.reason, found?.resolved?.reason]).toEqual(['NoValidCACertificate', reason])
})
