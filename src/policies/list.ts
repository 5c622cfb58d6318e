/**
 * Every policy there is. The order is that of the documentation and of `gantry explain`, by what a reader looks for first;
 * in which order policies run is said by each route.
 */
import { allowOptions } from './allow-options/policy.ts'
import { basicAuth } from './basic-auth/policy.ts'
import { bodyLimit } from './body-limit/policy.ts'
import { cors } from './cors/policy.ts'
import { expression } from './expression/policy.ts'
import { externalAuth } from './external-auth/policy.ts'
import { followRedirects } from './follow-redirects/policy.ts'
import { forward } from './forward/policy.ts'
import { headers } from './headers/policy.ts'
import { healthcheck } from './healthcheck/policy.ts'
import { jwt } from './jwt/policy.ts'
import { keyAuth } from './key-auth/policy.ts'
import { log } from './log/policy.ts'
import { metricsLabel } from './metrics-label/policy.ts'
import { mirror } from './mirror/policy.ts'
import { normalRequest } from './normal-request/policy.ts'
import { oauth2Introspect } from './oauth2-introspect/policy.ts'
import { oauth2Server } from './oauth2-server/policy.ts'
import { oauth2 } from './oauth2/policy.ts'
import { pluginRoutes } from './plugin-routes/policy.ts'
import { plugin } from './plugin/policy.ts'
import type { AnyPolicy } from './policy.ts'
import { proxyPath } from './proxy-path/policy.ts'
import { rateLimit } from './rate-limit/policy.ts'
import { redirect } from './redirect/policy.ts'
import { reply } from './reply/policy.ts'
import { requestTransformer } from './request-transformer/policy.ts'
import { responseTransformer } from './response-transformer/policy.ts'
import { rewriteCookies } from './rewrite-cookies/policy.ts'
import { rewriteLocation } from './rewrite-location/policy.ts'
import { rewrite } from './rewrite/policy.ts'
import { scopes } from './scopes/policy.ts'
import { sharedKey } from './shared-key/policy.ts'
import { storage } from './storage/policy.ts'
import { stripIdentity } from './strip-identity/policy.ts'
import { targetPath } from './target-path/policy.ts'
import { urlRewrite } from './url-rewrite/policy.ts'

export const policies: readonly AnyPolicy[] = [
  // who is asking
  stripIdentity,
  sharedKey,
  keyAuth,
  basicAuth,
  jwt,
  oauth2,
  oauth2Introspect,
  externalAuth,
  scopes,
  // what is let through
  cors,
  rateLimit,
  bodyLimit,
  allowOptions,
  // what is changed
  normalRequest,
  headers,
  proxyPath,
  targetPath,
  urlRewrite,
  rewrite,
  requestTransformer,
  responseTransformer,
  rewriteCookies,
  rewriteLocation,
  // what answers, and where requests go
  reply,
  redirect,
  forward,
  followRedirects,
  mirror,
  storage,
  healthcheck,
  oauth2Server,
  // what others have written
  expression,
  plugin,
  pluginRoutes,
  // what is seen
  log,
  metricsLabel,
]
