/** Structural schemas and CEL rules of each kind. Generated from Gateway API v1.7.0 by scripts/generate-gateway-api.ts; do not edit. */

import type { KindSchema, Schema } from './schema.ts'

export const bundleVersion = 'v1.7.0'

/** What occurs more than once; `part` is an index into this list. */
export const parts: readonly Schema[] = [
  {
    maxLength: 253,
    minLength: 1,
    pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    type: 'string',
  },
  {
    properties: {
      group: {
        maxLength: 253,
        pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
        type: 'string',
      },
      kind: { maxLength: 63, minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', type: 'string' },
      name: { maxLength: 253, minLength: 1, type: 'string' },
    },
    required: ['group', 'kind', 'name'],
    type: 'object',
  },
  {
    maxLength: 253,
    minLength: 1,
    pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    type: 'string',
  },
  {
    properties: {
      caCertificateRefs: { items: { part: 1 }, maxItems: 8, minItems: 1, type: 'array' },
      hostname: { part: 0 },
      subjectAltNames: {
        items: {
          properties: {
            hostname: { part: 2 },
            type: { enum: ['Hostname', 'URI'], type: 'string' },
            uri: {
              maxLength: 253,
              minLength: 1,
              pattern: '^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\\?([^#]*))?(#(.*))?',
              type: 'string',
            },
          },
          required: ['type'],
          type: 'object',
          rules: [
            { rule: '!(self.type == "Hostname" && (!has(self.hostname) || self.hostname == ""))' },
            { rule: '!(self.type != "Hostname" && has(self.hostname) && self.hostname != "")' },
            { rule: '!(self.type == "URI" && (!has(self.uri) || self.uri == ""))' },
            { rule: '!(self.type != "URI" && has(self.uri) && self.uri != "")' },
          ],
        },
        maxItems: 5,
        type: 'array',
      },
      wellKnownCACertificates: {
        maxLength: 253,
        minLength: 1,
        pattern:
          '^(System|([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]))$',
        type: 'string',
      },
    },
    required: ['hostname'],
    type: 'object',
    rules: [{ rule: '(has(self.caCertificateRefs)?1:0)+(has(self.wellKnownCACertificates)?1:0) == 1' }],
  },
  { items: { part: 2 }, maxItems: 16, type: 'array' },
  {
    default: 'gateway.networking.k8s.io',
    maxLength: 253,
    pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    type: 'string',
  },
  {
    items: {
      properties: {
        group: { part: 5 },
        kind: {
          default: 'Gateway',
          maxLength: 63,
          minLength: 1,
          pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
          type: 'string',
        },
        name: { maxLength: 253, minLength: 1, type: 'string' },
        namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
        port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
        sectionName: { part: 0 },
      },
      required: ['name'],
      type: 'object',
    },
    maxItems: 32,
    type: 'array',
    rules: [
      {
        rule: "self.all(p1, self.all(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && (!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__)) ? ((!has(p1.sectionName) || p1.sectionName == '') == (!has(p2.sectionName) || p2.sectionName == '') && (!has(p1.port) || p1.port == 0) == (!has(p2.port) || p2.port == 0)): true))",
      },
      {
        rule: "self.all(p1, self.exists_one(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (((!has(p1.__namespace__) || p1.__namespace__ == '') && (!has(p2.__namespace__) || p2.__namespace__ == '')) || (has(p1.__namespace__) && has(p2.__namespace__) && p1.__namespace__ == p2.__namespace__ )) && (((!has(p1.sectionName) || p1.sectionName == '') && (!has(p2.sectionName) || p2.sectionName == '')) || ( has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == p2.sectionName)) && (((!has(p1.port) || p1.port == 0) && (!has(p2.port) || p2.port == 0)) || (has(p1.port) && has(p2.port) && p1.port == p2.port))))",
      },
    ],
  },
  {
    items: {
      properties: {
        name: { maxLength: 256, minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", type: 'string' },
        value: { maxLength: 4096, minLength: 1, pattern: '^[!-~]+([\\t ]?[!-~]+)*$', type: 'string' },
      },
      required: ['name', 'value'],
      type: 'object',
    },
    maxItems: 16,
    type: 'array',
    listMapKeys: ['name'],
    listType: 'map',
  },
  {
    properties: {
      add: { part: 7 },
      remove: { items: { type: 'string' }, maxItems: 16, type: 'array', listType: 'set' },
      set: { part: 7 },
    },
    type: 'object',
  },
  {
    default: '',
    maxLength: 253,
    pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
    type: 'string',
  },
  {
    properties: {
      group: { part: 9 },
      kind: {
        default: 'Service',
        maxLength: 63,
        minLength: 1,
        pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
        type: 'string',
      },
      name: { maxLength: 253, minLength: 1, type: 'string' },
      namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
      port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
    },
    required: ['name'],
    type: 'object',
    rules: [
      { rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true" },
      { rule: "(self.group == 'gateway.networking.x-k8s.io' && self.kind == 'XBackend') ? !has(self.port) : true" },
    ],
  },
  {
    properties: {
      denominator: { default: 100, format: 'int32', minimum: 1, type: 'integer' },
      numerator: { format: 'int32', minimum: 0, type: 'integer' },
    },
    required: ['numerator'],
    type: 'object',
    rules: [{ rule: 'self.numerator <= self.denominator' }],
  },
  {
    properties: {
      backendRef: { part: 10 },
      fraction: { part: 11 },
      percent: { format: 'int32', maximum: 100, minimum: 0, type: 'integer' },
    },
    required: ['backendRef'],
    type: 'object',
    rules: [{ rule: '!(has(self.percent) && has(self.fraction))' }],
  },
  {
    items: {
      properties: {
        extensionRef: { part: 1 },
        requestHeaderModifier: { part: 8 },
        requestMirror: { part: 12 },
        responseHeaderModifier: { part: 8 },
        type: {
          enum: ['ResponseHeaderModifier', 'RequestHeaderModifier', 'RequestMirror', 'ExtensionRef'],
          type: 'string',
        },
      },
      required: ['type'],
      type: 'object',
      rules: [
        { rule: "!(has(self.requestHeaderModifier) && self.type != 'RequestHeaderModifier')" },
        { rule: "!(!has(self.requestHeaderModifier) && self.type == 'RequestHeaderModifier')" },
        { rule: "!(has(self.responseHeaderModifier) && self.type != 'ResponseHeaderModifier')" },
        { rule: "!(!has(self.responseHeaderModifier) && self.type == 'ResponseHeaderModifier')" },
        { rule: "!(has(self.requestMirror) && self.type != 'RequestMirror')" },
        { rule: "!(!has(self.requestMirror) && self.type == 'RequestMirror')" },
        { rule: "!(has(self.extensionRef) && self.type != 'ExtensionRef')" },
        { rule: "!(!has(self.extensionRef) && self.type == 'ExtensionRef')" },
      ],
    },
    maxItems: 16,
    type: 'array',
    rules: [
      { rule: "self.filter(f, f.type == 'RequestHeaderModifier').size() <= 1" },
      { rule: "self.filter(f, f.type == 'ResponseHeaderModifier').size() <= 1" },
    ],
  },
  {
    properties: {
      lifetimeType: { default: 'Session', enum: ['Permanent', 'Session'], type: 'string' },
      name: { maxLength: 256, minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", type: 'string' },
      path: { default: '/', maxLength: 1024, type: 'string' },
    },
    type: 'object',
  },
  {
    properties: {
      name: { maxLength: 256, minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", type: 'string' },
    },
    required: ['name'],
    type: 'object',
  },
  {
    properties: {
      absoluteTimeout: { pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$', type: 'string' },
      cookie: { part: 14 },
      header: { part: 15 },
      type: { default: 'Cookie', enum: ['Cookie', 'Header'], type: 'string' },
    },
    type: 'object',
    rules: [
      {
        rule: "!has(self.cookie) || !has(self.cookie.lifetimeType) || self.cookie.lifetimeType != 'Permanent' || has(self.absoluteTimeout)",
      },
      { rule: "!has(self.cookie) || self.type == 'Cookie'" },
      { rule: "self.type != 'Cookie' || has(self.cookie)" },
      { rule: "!has(self.header) || self.type == 'Header'" },
      { rule: "self.type != 'Header' || has(self.header)" },
    ],
    experimental: true,
  },
  {
    properties: {
      matchExpressions: {
        items: {
          properties: {
            key: { type: 'string' },
            operator: { type: 'string' },
            values: { items: { type: 'string' }, type: 'array' },
          },
          required: ['key', 'operator'],
          type: 'object',
        },
        type: 'array',
      },
      matchLabels: { additionalProperties: { type: 'string' }, type: 'object' },
    },
    type: 'object',
  },
  {
    default: { namespaces: { from: 'Same' } },
    properties: {
      kinds: {
        items: {
          properties: {
            group: { part: 5 },
            kind: { maxLength: 63, minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', type: 'string' },
          },
          required: ['kind'],
          type: 'object',
        },
        maxItems: 8,
        type: 'array',
      },
      namespaces: {
        default: { from: 'Same' },
        properties: {
          from: { default: 'Same', enum: ['All', 'Selector', 'Same'], type: 'string' },
          selector: { part: 17 },
        },
        type: 'object',
      },
    },
    type: 'object',
  },
  {
    properties: { allowedHeaders: { items: { type: 'string' }, maxItems: 64, type: 'array', listType: 'set' } },
    type: 'object',
  },
  {
    properties: {
      allowedHeaders: { items: { type: 'string' }, maxItems: 64, type: 'array', listType: 'set' },
      allowedResponseHeaders: { items: { type: 'string' }, maxItems: 64, type: 'array', listType: 'set' },
      path: { maxLength: 1024, pattern: "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$", type: 'string' },
    },
    type: 'object',
  },
  {
    properties: {
      requests: {
        items: {
          properties: {
            extensionRef: { part: 1 },
            externalAuth: {
              properties: {
                backendRef: { part: 10 },
                forwardBody: {
                  properties: { maxSize: { format: 'int32', minimum: 0, type: 'integer' } },
                  type: 'object',
                },
                grpc: { part: 19 },
                http: { part: 20 },
                protocol: { enum: ['HTTP', 'GRPC'], type: 'string' },
              },
              required: ['backendRef', 'protocol'],
              type: 'object',
              rules: [
                { rule: "self.protocol == 'GRPC' ? has(self.grpc) : true" },
                { rule: "has(self.grpc) ? self.protocol == 'GRPC' : true" },
                { rule: "self.protocol == 'HTTP' ? has(self.http) : true" },
                { rule: "has(self.http) ? self.protocol == 'HTTP' : true" },
              ],
            },
            type: { enum: ['ExternalAuth', 'ExtensionRef'], type: 'string' },
          },
          required: ['type'],
          type: 'object',
          rules: [
            { rule: "!(has(self.externalAuth) && self.type != 'ExternalAuth')" },
            { rule: "!(!has(self.externalAuth) && self.type == 'ExternalAuth')" },
            { rule: "!(has(self.extensionRef) && self.type != 'ExtensionRef')" },
            { rule: "!(!has(self.extensionRef) && self.type == 'ExtensionRef')" },
          ],
        },
        maxItems: 16,
        type: 'array',
      },
    },
    type: 'object',
    experimental: true,
  },
  {
    maxLength: 255,
    minLength: 1,
    pattern:
      '^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9]+$',
    type: 'string',
  },
  {
    properties: {
      group: { part: 9 },
      kind: {
        default: 'Secret',
        maxLength: 63,
        minLength: 1,
        pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
        type: 'string',
      },
      name: { maxLength: 253, minLength: 1, type: 'string' },
      namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
    },
    required: ['name'],
    type: 'object',
  },
  {
    properties: {
      certificateRefs: { items: { part: 23 }, maxItems: 64, type: 'array' },
      mode: { default: 'Terminate', enum: ['Terminate', 'Passthrough'], type: 'string' },
      options: {
        additionalProperties: { maxLength: 4096, minLength: 0, type: 'string' },
        maxProperties: 16,
        type: 'object',
      },
    },
    type: 'object',
    rules: [{ rule: "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true" }],
  },
  {
    properties: {
      group: {
        maxLength: 253,
        pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
        type: 'string',
      },
      kind: { maxLength: 63, minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', type: 'string' },
      name: { maxLength: 253, minLength: 1, type: 'string' },
      namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
    },
    required: ['group', 'kind', 'name'],
    type: 'object',
  },
  {
    properties: {
      validation: {
        properties: {
          caCertificateRefs: {
            items: { part: 25 },
            maxItems: 16,
            minItems: 1,
            type: 'array',
            rules: [
              {
                rule: "self.all(r, !(r.group == 'certificates.k8s.io' && r.kind == 'ClusterTrustBundle' && has(r.namespace)))",
              },
            ],
          },
          mode: { default: 'AllowValidOnly', enum: ['AllowValidOnly', 'AllowInsecureFallback'], type: 'string' },
        },
        required: ['caCertificateRefs'],
        type: 'object',
      },
    },
    type: 'object',
  },
  {
    properties: {
      controllerName: {
        maxLength: 253,
        minLength: 1,
        pattern:
          "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
        type: 'string',
        rules: [{ rule: 'self == oldSelf' }],
      },
      description: { maxLength: 64, type: 'string' },
      parametersRef: { part: 25 },
    },
    required: ['controllerName'],
    type: 'object',
  },
  {
    properties: {
      replaceFullPath: { maxLength: 1024, type: 'string' },
      replacePrefixMatch: { maxLength: 1024, type: 'string' },
      type: { enum: ['ReplaceFullPath', 'ReplacePrefixMatch'], type: 'string' },
    },
    required: ['type'],
    type: 'object',
    rules: [
      { rule: "self.type == 'ReplaceFullPath' ? has(self.replaceFullPath) : true" },
      { rule: "has(self.replaceFullPath) ? self.type == 'ReplaceFullPath' : true" },
      { rule: "self.type == 'ReplacePrefixMatch' ? has(self.replacePrefixMatch) : true" },
      { rule: "has(self.replacePrefixMatch) ? self.type == 'ReplacePrefixMatch' : true" },
    ],
  },
  {
    items: {
      properties: {
        cors: {
          properties: {
            allowCredentials: { type: 'boolean' },
            allowHeaders: {
              items: { maxLength: 256, minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", type: 'string' },
              maxItems: 64,
              type: 'array',
              listType: 'set',
              rules: [{ rule: "!('*' in self && self.size() > 1)" }],
            },
            allowMethods: {
              items: {
                enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', '*'],
                type: 'string',
              },
              maxItems: 9,
              type: 'array',
              listType: 'set',
              rules: [{ rule: "!('*' in self && self.size() > 1)" }],
            },
            allowOrigins: {
              items: {
                maxLength: 253,
                minLength: 1,
                pattern:
                  '(^\\*$)|(^(http(s)?):\\/\\/(((\\*\\.)?([a-zA-Z0-9\\-]+\\.)*[a-zA-Z0-9-]+|\\*)(:([0-9]{1,5}))?)$)',
                type: 'string',
              },
              maxItems: 64,
              type: 'array',
              listType: 'set',
              rules: [{ rule: "!('*' in self && self.size() > 1)" }],
            },
            exposeHeaders: {
              items: { maxLength: 256, minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", type: 'string' },
              maxItems: 64,
              type: 'array',
              listType: 'set',
            },
            maxAge: { default: 5, format: 'int32', minimum: 1, type: 'integer' },
          },
          type: 'object',
        },
        extensionRef: { part: 1 },
        externalAuth: {
          properties: {
            backendRef: { part: 10 },
            forwardBody: { properties: { maxSize: { format: 'int32', minimum: 0, type: 'integer' } }, type: 'object' },
            grpc: { part: 19 },
            http: { part: 20 },
            protocol: { enum: ['HTTP', 'GRPC'], type: 'string' },
          },
          required: ['backendRef', 'protocol'],
          type: 'object',
          rules: [
            { rule: "self.protocol == 'GRPC' ? has(self.grpc) : true" },
            { rule: "has(self.grpc) ? self.protocol == 'GRPC' : true" },
            { rule: "self.protocol == 'HTTP' ? has(self.http) : true" },
            { rule: "has(self.http) ? self.protocol == 'HTTP' : true" },
          ],
          experimental: true,
        },
        requestHeaderModifier: { part: 8 },
        requestMirror: { part: 12 },
        requestRedirect: {
          properties: {
            hostname: { part: 0 },
            path: { part: 28 },
            port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
            scheme: { enum: ['http', 'https'], type: 'string' },
            statusCode: { default: 302, enum: [301, 302, 303, 307, 308], type: 'integer' },
          },
          type: 'object',
        },
        responseHeaderModifier: { part: 8 },
        type: {
          enum: [
            'RequestHeaderModifier',
            'ResponseHeaderModifier',
            'RequestMirror',
            'RequestRedirect',
            'URLRewrite',
            'ExtensionRef',
            'CORS',
            'ExternalAuth',
          ],
          type: 'string',
        },
        urlRewrite: { properties: { hostname: { part: 0 }, path: { part: 28 } }, type: 'object' },
      },
      required: ['type'],
      type: 'object',
      rules: [
        { rule: "!(has(self.cors) && self.type != 'CORS')" },
        { rule: "!(!has(self.cors) && self.type == 'CORS')" },
        { rule: "!(has(self.requestHeaderModifier) && self.type != 'RequestHeaderModifier')" },
        { rule: "!(!has(self.requestHeaderModifier) && self.type == 'RequestHeaderModifier')" },
        { rule: "!(has(self.responseHeaderModifier) && self.type != 'ResponseHeaderModifier')" },
        { rule: "!(!has(self.responseHeaderModifier) && self.type == 'ResponseHeaderModifier')" },
        { rule: "!(has(self.requestMirror) && self.type != 'RequestMirror')" },
        { rule: "!(!has(self.requestMirror) && self.type == 'RequestMirror')" },
        { rule: "!(has(self.requestRedirect) && self.type != 'RequestRedirect')" },
        { rule: "!(!has(self.requestRedirect) && self.type == 'RequestRedirect')" },
        { rule: "!(has(self.urlRewrite) && self.type != 'URLRewrite')" },
        { rule: "!(!has(self.urlRewrite) && self.type == 'URLRewrite')" },
        { rule: "!(has(self.extensionRef) && self.type != 'ExtensionRef')" },
        { rule: "!(!has(self.extensionRef) && self.type == 'ExtensionRef')" },
        { rule: "!(has(self.externalAuth) && self.type != 'ExternalAuth')" },
        { rule: "!(!has(self.externalAuth) && self.type == 'ExternalAuth')" },
      ],
    },
    maxItems: 16,
    type: 'array',
    rules: [
      { rule: "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))" },
      { rule: "self.filter(f, f.type == 'CORS').size() <= 1" },
      { rule: "self.filter(f, f.type == 'RequestHeaderModifier').size() <= 1" },
      { rule: "self.filter(f, f.type == 'ResponseHeaderModifier').size() <= 1" },
      { rule: "self.filter(f, f.type == 'RequestRedirect').size() <= 1" },
      { rule: "self.filter(f, f.type == 'URLRewrite').size() <= 1" },
    ],
  },
  {
    items: {
      properties: {
        backendRefs: {
          items: {
            properties: {
              group: { part: 9 },
              kind: {
                default: 'Service',
                maxLength: 63,
                minLength: 1,
                pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
                type: 'string',
              },
              name: { maxLength: 253, minLength: 1, type: 'string' },
              namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
              port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
              weight: { default: 1, format: 'int32', maximum: 1000000, minimum: 0, type: 'integer' },
            },
            required: ['name'],
            type: 'object',
            rules: [
              { rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true" },
              {
                rule: "(self.group == 'gateway.networking.x-k8s.io' && self.kind == 'XBackend') ? !has(self.port) : true",
              },
            ],
          },
          maxItems: 16,
          minItems: 1,
          type: 'array',
        },
        name: { part: 0 },
      },
      required: ['backendRefs'],
      type: 'object',
    },
    maxItems: 1,
    minItems: 1,
    type: 'array',
  },
  {
    properties: {
      parentRefs: { part: 6 },
      rules: { part: 30 },
      useDefaultGateways: { enum: ['All', 'None'], type: 'string', experimental: true },
    },
    required: ['rules'],
    type: 'object',
  },
  {
    properties: {
      absoluteTimeout: { pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$', type: 'string' },
      cookie: { part: 14 },
      header: { part: 15 },
      type: { default: 'Cookie', enum: ['Cookie', 'Header'], type: 'string' },
    },
    type: 'object',
    rules: [
      {
        rule: "!has(self.cookie) || !has(self.cookie.lifetimeType) || self.cookie.lifetimeType != 'Permanent' || has(self.absoluteTimeout)",
      },
      { rule: "!has(self.cookie) || self.type == 'Cookie'" },
      { rule: "self.type != 'Cookie' || has(self.cookie)" },
      { rule: "!has(self.header) || self.type == 'Header'" },
      { rule: "self.type != 'Header' || has(self.header)" },
    ],
  },
]

export const kinds: Readonly<Record<string, KindSchema>> = {
  BackendTLSPolicy: {
    group: 'gateway.networking.k8s.io',
    kind: 'BackendTLSPolicy',
    version: 'v1',
    plural: 'backendtlspolicies',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        options: {
          additionalProperties: { maxLength: 4096, minLength: 0, type: 'string' },
          maxProperties: 16,
          type: 'object',
        },
        targetRefs: {
          items: {
            properties: {
              group: {
                maxLength: 253,
                pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
                type: 'string',
              },
              kind: { maxLength: 63, minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', type: 'string' },
              name: { maxLength: 253, minLength: 1, type: 'string' },
              sectionName: { part: 0 },
            },
            required: ['group', 'kind', 'name'],
            type: 'object',
          },
          maxItems: 16,
          minItems: 1,
          type: 'array',
          rules: [
            {
              rule: "self.all(p1, self.all(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name ? ((!has(p1.sectionName) || p1.sectionName == '') == (!has(p2.sectionName) || p2.sectionName == '')) : true))",
            },
            {
              rule: "self.all(p1, self.exists_one(p2, p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && (((!has(p1.sectionName) || p1.sectionName == '') && (!has(p2.sectionName) || p2.sectionName == '')) || (has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == p2.sectionName))))",
            },
          ],
        },
        validation: { part: 3 },
      },
      required: ['targetRefs', 'validation'],
      type: 'object',
    },
  },
  GRPCRoute: {
    group: 'gateway.networking.k8s.io',
    kind: 'GRPCRoute',
    version: 'v1',
    plural: 'grpcroutes',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        hostnames: { part: 4 },
        parentRefs: { part: 6 },
        rules: {
          items: {
            properties: {
              backendRefs: {
                items: {
                  properties: {
                    filters: { part: 13 },
                    group: { part: 9 },
                    kind: {
                      default: 'Service',
                      maxLength: 63,
                      minLength: 1,
                      pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
                      type: 'string',
                    },
                    name: { maxLength: 253, minLength: 1, type: 'string' },
                    namespace: {
                      maxLength: 63,
                      minLength: 1,
                      pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
                      type: 'string',
                    },
                    port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
                    weight: { default: 1, format: 'int32', maximum: 1000000, minimum: 0, type: 'integer' },
                  },
                  required: ['name'],
                  type: 'object',
                  rules: [
                    { rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true" },
                    {
                      rule: "(self.group == 'gateway.networking.x-k8s.io' && self.kind == 'XBackend') ? !has(self.port) : true",
                    },
                  ],
                },
                maxItems: 16,
                type: 'array',
              },
              filters: { part: 13 },
              matches: {
                items: {
                  properties: {
                    headers: {
                      items: {
                        properties: {
                          name: {
                            maxLength: 256,
                            minLength: 1,
                            pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
                            type: 'string',
                          },
                          type: { default: 'Exact', enum: ['Exact', 'RegularExpression'], type: 'string' },
                          value: { maxLength: 4096, minLength: 1, type: 'string' },
                        },
                        required: ['name', 'value'],
                        type: 'object',
                      },
                      maxItems: 16,
                      type: 'array',
                      listMapKeys: ['name'],
                      listType: 'map',
                    },
                    method: {
                      properties: {
                        method: { maxLength: 1024, type: 'string' },
                        service: { maxLength: 1024, type: 'string' },
                        type: { default: 'Exact', enum: ['Exact', 'RegularExpression'], type: 'string' },
                      },
                      type: 'object',
                      rules: [
                        { rule: 'has(self.type) ? has(self.service) || has(self.method) : true' },
                        {
                          rule: '(!has(self.type) || self.type == \'Exact\') && has(self.service) ? self.service.matches(r"""^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$"""): true',
                        },
                        {
                          rule: '(!has(self.type) || self.type == \'Exact\') && has(self.method) ? self.method.matches(r"""^[A-Za-z_][A-Za-z_0-9]*$"""): true',
                        },
                      ],
                    },
                  },
                  type: 'object',
                },
                maxItems: 64,
                type: 'array',
              },
              name: { part: 0 },
              sessionPersistence: { part: 16 },
            },
            type: 'object',
          },
          maxItems: 16,
          type: 'array',
          rules: [
            {
              rule: '(self.size() > 0 ? (has(self[0].matches) ? self[0].matches.size() : 0) : 0) + (self.size() > 1 ? (has(self[1].matches) ? self[1].matches.size() : 0) : 0) + (self.size() > 2 ? (has(self[2].matches) ? self[2].matches.size() : 0) : 0) + (self.size() > 3 ? (has(self[3].matches) ? self[3].matches.size() : 0) : 0) + (self.size() > 4 ? (has(self[4].matches) ? self[4].matches.size() : 0) : 0) + (self.size() > 5 ? (has(self[5].matches) ? self[5].matches.size() : 0) : 0) + (self.size() > 6 ? (has(self[6].matches) ? self[6].matches.size() : 0) : 0) + (self.size() > 7 ? (has(self[7].matches) ? self[7].matches.size() : 0) : 0) + (self.size() > 8 ? (has(self[8].matches) ? self[8].matches.size() : 0) : 0) + (self.size() > 9 ? (has(self[9].matches) ? self[9].matches.size() : 0) : 0) + (self.size() > 10 ? (has(self[10].matches) ? self[10].matches.size() : 0) : 0) + (self.size() > 11 ? (has(self[11].matches) ? self[11].matches.size() : 0) : 0) + (self.size() > 12 ? (has(self[12].matches) ? self[12].matches.size() : 0) : 0) + (self.size() > 13 ? (has(self[13].matches) ? self[13].matches.size() : 0) : 0) + (self.size() > 14 ? (has(self[14].matches) ? self[14].matches.size() : 0) : 0) + (self.size() > 15 ? (has(self[15].matches) ? self[15].matches.size() : 0) : 0) <= 128',
            },
            { rule: 'self.all(l1, !has(l1.name) || self.exists_one(l2, has(l2.name) && l1.name == l2.name))' },
          ],
        },
        useDefaultGateways: { enum: ['All', 'None'], type: 'string', experimental: true },
      },
      type: 'object',
    },
  },
  Gateway: {
    group: 'gateway.networking.k8s.io',
    kind: 'Gateway',
    version: 'v1',
    plural: 'gateways',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        addresses: {
          items: {
            oneOf: [
              {
                properties: {
                  type: { enum: ['IPAddress'] },
                  value: { anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
                },
              },
              { properties: { type: { not: { enum: ['IPAddress'] } } } },
            ],
            properties: {
              routability: {
                maxLength: 253,
                type: 'string',
                rules: [
                  {
                    rule: "size(self) == 0 || self == 'Cluster' || (self.matches('^.*/.+$') && !format.dns1123Subdomain().validate(self.split('/')[0]).hasValue() && self.split('/')[0] != 'k8s.io' && !self.split('/')[0].endsWith('.k8s.io'))",
                  },
                ],
                experimental: true,
              },
              type: {
                default: 'IPAddress',
                maxLength: 253,
                minLength: 1,
                pattern:
                  "^Hostname|IPAddress|NamedAddress|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$",
                type: 'string',
              },
              value: { maxLength: 253, type: 'string' },
            },
            type: 'object',
            rules: [
              {
                rule: 'self.type == \'Hostname\' ? (!has(self.value) || self.value.matches(r"""^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$""")): true',
              },
            ],
          },
          maxItems: 16,
          type: 'array',
          rules: [
            {
              rule: "self.all(a1, a1.type == 'IPAddress' && has(a1.value) ? self.exists_one(a2, a2.type == a1.type && has(a2.value) && a2.value == a1.value) : true )",
            },
            {
              rule: "self.all(a1, a1.type == 'Hostname'  && has(a1.value) ? self.exists_one(a2, a2.type == a1.type && has(a2.value) && a2.value == a1.value) : true )",
            },
          ],
        },
        allowedListeners: {
          properties: {
            namespaces: {
              default: { from: 'None' },
              properties: {
                from: { default: 'None', enum: ['All', 'Selector', 'Same', 'None'], type: 'string' },
                selector: { part: 17 },
              },
              type: 'object',
            },
          },
          type: 'object',
        },
        defaultScope: { enum: ['All', 'None'], type: 'string', experimental: true },
        gatewayClassName: { maxLength: 253, minLength: 1, type: 'string' },
        infrastructure: {
          properties: {
            annotations: {
              additionalProperties: { maxLength: 4096, minLength: 0, type: 'string' },
              maxProperties: 16,
              type: 'object',
              rules: [
                {
                  rule: 'self.all(key, key.matches(r"""^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"""))',
                },
                { rule: 'self.all(key, key.split("/")[0].size() < 253)' },
              ],
            },
            labels: {
              additionalProperties: {
                maxLength: 63,
                minLength: 0,
                pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$',
                type: 'string',
              },
              maxProperties: 8,
              type: 'object',
              rules: [
                {
                  rule: 'self.all(key, key.matches(r"""^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$"""))',
                },
                { rule: 'self.all(key, key.split("/")[0].size() < 253)' },
              ],
            },
            parametersRef: { part: 1 },
          },
          type: 'object',
        },
        listeners: {
          items: {
            properties: {
              allowedRoutes: { part: 18 },
              filters: { part: 21 },
              hostname: { part: 2 },
              name: { part: 0 },
              port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
              protocol: { part: 22 },
              tls: { part: 24 },
            },
            required: ['name', 'port', 'protocol'],
            type: 'object',
            rules: [{ rule: "!has(self.filters) || self.protocol in ['HTTP', 'HTTPS']" }],
          },
          maxItems: 64,
          minItems: 1,
          type: 'array',
          listMapKeys: ['name'],
          listType: 'map',
          rules: [
            { rule: "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)" },
            {
              rule: "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)",
            },
            { rule: "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))" },
            { rule: "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)" },
            { rule: 'self.all(l1, self.exists_one(l2, l1.name == l2.name))' },
            {
              rule: 'self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))',
            },
          ],
        },
        tls: {
          properties: {
            backend: { properties: { clientCertificateRef: { part: 23 } }, type: 'object' },
            frontend: {
              properties: {
                default: { part: 26 },
                perPort: {
                  items: {
                    properties: {
                      port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
                      tls: { part: 26 },
                    },
                    required: ['port', 'tls'],
                    type: 'object',
                  },
                  maxItems: 64,
                  type: 'array',
                  listMapKeys: ['port'],
                  listType: 'map',
                  rules: [{ rule: 'self.all(t1, self.exists_one(t2, t1.port == t2.port))' }],
                },
              },
              required: ['default'],
              type: 'object',
            },
          },
          type: 'object',
        },
      },
      required: ['gatewayClassName', 'listeners'],
      type: 'object',
    },
  },
  GatewayClass: {
    group: 'gateway.networking.k8s.io',
    kind: 'GatewayClass',
    version: 'v1',
    plural: 'gatewayclasses',
    scope: 'Cluster',
    experimental: false,
    spec: { part: 27 },
  },
  HTTPRoute: {
    group: 'gateway.networking.k8s.io',
    kind: 'HTTPRoute',
    version: 'v1',
    plural: 'httproutes',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        hostnames: { part: 4 },
        parentRefs: { part: 6 },
        rules: {
          default: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }],
          items: {
            properties: {
              backendRefs: {
                items: {
                  properties: {
                    filters: { part: 29 },
                    group: { part: 9 },
                    kind: {
                      default: 'Service',
                      maxLength: 63,
                      minLength: 1,
                      pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
                      type: 'string',
                    },
                    name: { maxLength: 253, minLength: 1, type: 'string' },
                    namespace: {
                      maxLength: 63,
                      minLength: 1,
                      pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
                      type: 'string',
                    },
                    port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
                    weight: { default: 1, format: 'int32', maximum: 1000000, minimum: 0, type: 'integer' },
                  },
                  required: ['name'],
                  type: 'object',
                  rules: [
                    { rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true" },
                    {
                      rule: "(self.group == 'gateway.networking.x-k8s.io' && self.kind == 'XBackend') ? !has(self.port) : true",
                    },
                  ],
                },
                maxItems: 16,
                type: 'array',
              },
              filters: { part: 29 },
              matches: {
                default: [{ path: { type: 'PathPrefix', value: '/' } }],
                items: {
                  properties: {
                    headers: {
                      items: {
                        properties: {
                          name: {
                            maxLength: 256,
                            minLength: 1,
                            pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
                            type: 'string',
                          },
                          type: { default: 'Exact', enum: ['Exact', 'RegularExpression'], type: 'string' },
                          value: { maxLength: 4096, minLength: 1, pattern: '^[!-~]+([\\t ]?[!-~]+)*$', type: 'string' },
                        },
                        required: ['name', 'value'],
                        type: 'object',
                      },
                      maxItems: 16,
                      type: 'array',
                      listMapKeys: ['name'],
                      listType: 'map',
                    },
                    method: {
                      enum: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
                      type: 'string',
                    },
                    path: {
                      default: { type: 'PathPrefix', value: '/' },
                      properties: {
                        type: {
                          default: 'PathPrefix',
                          enum: ['Exact', 'PathPrefix', 'RegularExpression'],
                          type: 'string',
                        },
                        value: { default: '/', maxLength: 1024, type: 'string' },
                      },
                      type: 'object',
                      rules: [
                        { rule: "(self.type in ['Exact','PathPrefix']) ? self.value.startsWith('/') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('//') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('/./') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('/../') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('%2f') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('%2F') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.contains('#') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.endsWith('/..') : true" },
                        { rule: "(self.type in ['Exact','PathPrefix']) ? !self.value.endsWith('/.') : true" },
                        { rule: "self.type in ['Exact','PathPrefix'] || self.type == 'RegularExpression'" },
                        {
                          rule: '(self.type in [\'Exact\',\'PathPrefix\']) ? self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&\'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true',
                        },
                      ],
                    },
                    queryParams: {
                      items: {
                        properties: {
                          name: {
                            maxLength: 256,
                            minLength: 1,
                            pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
                            type: 'string',
                          },
                          type: { default: 'Exact', enum: ['Exact', 'RegularExpression'], type: 'string' },
                          value: { maxLength: 1024, minLength: 1, type: 'string' },
                        },
                        required: ['name', 'value'],
                        type: 'object',
                      },
                      maxItems: 16,
                      type: 'array',
                      listMapKeys: ['name'],
                      listType: 'map',
                    },
                  },
                  type: 'object',
                },
                maxItems: 64,
                type: 'array',
              },
              name: { part: 0 },
              retry: {
                properties: {
                  attempts: { default: 1, minimum: 0, type: 'integer' },
                  backoff: { pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$', type: 'string' },
                  codes: { items: { maximum: 599, minimum: 400, type: 'integer' }, type: 'array', listType: 'set' },
                },
                type: 'object',
              },
              sessionPersistence: { part: 16 },
              timeouts: {
                properties: {
                  backendRequest: { pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$', type: 'string' },
                  request: { pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$', type: 'string' },
                },
                type: 'object',
                rules: [
                  {
                    rule: "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
                  },
                ],
              },
            },
            type: 'object',
            rules: [
              {
                rule: '(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || self.filters.all(f, !has(f.requestRedirect))): true',
              },
              {
                rule: "(has(self.filters) && self.filters.exists_one(f, has(f.requestRedirect) && has(f.requestRedirect.path) && f.requestRedirect.path.type == 'ReplacePrefixMatch' && has(f.requestRedirect.path.replacePrefixMatch))) ? ((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true) : true",
              },
              {
                rule: "(has(self.filters) && self.filters.exists_one(f, has(f.urlRewrite) && has(f.urlRewrite.path) && f.urlRewrite.path.type == 'ReplacePrefixMatch' && has(f.urlRewrite.path.replacePrefixMatch))) ? ((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true) : true",
              },
              {
                rule: "(has(self.backendRefs) && self.backendRefs.exists_one(b, (has(b.filters) && b.filters.exists_one(f, has(f.requestRedirect) && has(f.requestRedirect.path) && f.requestRedirect.path.type == 'ReplacePrefixMatch' && has(f.requestRedirect.path.replacePrefixMatch))) )) ? ((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true) : true",
              },
              {
                rule: "(has(self.backendRefs) && self.backendRefs.exists_one(b, (has(b.filters) && b.filters.exists_one(f, has(f.urlRewrite) && has(f.urlRewrite.path) && f.urlRewrite.path.type == 'ReplacePrefixMatch' && has(f.urlRewrite.path.replacePrefixMatch))) )) ? ((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true) : true",
              },
            ],
          },
          maxItems: 16,
          minItems: 1,
          type: 'array',
          rules: [
            { rule: 'self.all(l1, !has(l1.name) || self.exists_one(l2, has(l2.name) && l1.name == l2.name))' },
            {
              rule: '(self.size() > 0 ? self[0].matches.size() : 0) + (self.size() > 1 ? self[1].matches.size() : 0) + (self.size() > 2 ? self[2].matches.size() : 0) + (self.size() > 3 ? self[3].matches.size() : 0) + (self.size() > 4 ? self[4].matches.size() : 0) + (self.size() > 5 ? self[5].matches.size() : 0) + (self.size() > 6 ? self[6].matches.size() : 0) + (self.size() > 7 ? self[7].matches.size() : 0) + (self.size() > 8 ? self[8].matches.size() : 0) + (self.size() > 9 ? self[9].matches.size() : 0) + (self.size() > 10 ? self[10].matches.size() : 0) + (self.size() > 11 ? self[11].matches.size() : 0) + (self.size() > 12 ? self[12].matches.size() : 0) + (self.size() > 13 ? self[13].matches.size() : 0) + (self.size() > 14 ? self[14].matches.size() : 0) + (self.size() > 15 ? self[15].matches.size() : 0) <= 128',
            },
          ],
        },
        useDefaultGateways: { enum: ['All', 'None'], type: 'string', experimental: true },
      },
      type: 'object',
    },
  },
  ListenerSet: {
    group: 'gateway.networking.k8s.io',
    kind: 'ListenerSet',
    version: 'v1',
    plural: 'listenersets',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        listeners: {
          items: {
            properties: {
              allowedRoutes: { part: 18 },
              filters: { part: 21 },
              hostname: { part: 2 },
              name: { part: 0 },
              port: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' },
              protocol: { part: 22 },
              tls: { part: 24 },
            },
            required: ['name', 'port', 'protocol'],
            type: 'object',
          },
          maxItems: 64,
          minItems: 1,
          type: 'array',
          listMapKeys: ['name'],
          listType: 'map',
          rules: [
            { rule: "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)" },
            {
              rule: "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)",
            },
            { rule: "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))" },
            { rule: "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)" },
            { rule: 'self.all(l1, self.exists_one(l2, l1.name == l2.name))' },
            {
              rule: 'self.all(l1, !has(l1.port) || self.exists_one(l2, has(l2.port) && l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))',
            },
          ],
        },
        parentRef: {
          properties: {
            group: { part: 5 },
            kind: {
              default: 'Gateway',
              maxLength: 63,
              minLength: 1,
              pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$',
              type: 'string',
            },
            name: { maxLength: 253, minLength: 1, type: 'string' },
            namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
          },
          required: ['name'],
          type: 'object',
        },
      },
      required: ['listeners', 'parentRef'],
      type: 'object',
    },
  },
  ReferenceGrant: {
    group: 'gateway.networking.k8s.io',
    kind: 'ReferenceGrant',
    version: 'v1',
    plural: 'referencegrants',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        from: {
          items: {
            properties: {
              group: {
                maxLength: 253,
                pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
                type: 'string',
              },
              kind: { maxLength: 63, minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', type: 'string' },
              namespace: { maxLength: 63, minLength: 1, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$', type: 'string' },
            },
            required: ['group', 'kind', 'namespace'],
            type: 'object',
          },
          maxItems: 16,
          minItems: 1,
          type: 'array',
        },
        to: {
          items: {
            properties: {
              group: {
                maxLength: 253,
                pattern: '^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
                type: 'string',
              },
              kind: { maxLength: 63, minLength: 1, pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$', type: 'string' },
              name: { maxLength: 253, minLength: 1, type: 'string' },
            },
            required: ['group', 'kind'],
            type: 'object',
          },
          maxItems: 16,
          minItems: 1,
          type: 'array',
        },
      },
      required: ['from', 'to'],
      type: 'object',
    },
  },
  TCPRoute: {
    group: 'gateway.networking.k8s.io',
    kind: 'TCPRoute',
    version: 'v1',
    plural: 'tcproutes',
    scope: 'Namespaced',
    experimental: false,
    spec: { part: 31 },
  },
  TLSRoute: {
    group: 'gateway.networking.k8s.io',
    kind: 'TLSRoute',
    version: 'v1',
    plural: 'tlsroutes',
    scope: 'Namespaced',
    experimental: false,
    spec: {
      properties: {
        hostnames: {
          items: { part: 2 },
          maxItems: 1024,
          minItems: 1,
          type: 'array',
          rules: [
            { rule: 'self.all(h, !isIP(h))' },
            {
              rule: "self.all(h, !h.contains('*') ? h.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$') : true)",
            },
            {
              rule: "self.all(h, h.contains('*') ? (h.startsWith('*.') && h.substring(2).matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)$')) : true)",
            },
          ],
        },
        parentRefs: { part: 6 },
        rules: { part: 30 },
        useDefaultGateways: { enum: ['All', 'None'], type: 'string', experimental: true },
      },
      required: ['hostnames', 'rules'],
      type: 'object',
    },
  },
  UDPRoute: {
    group: 'gateway.networking.k8s.io',
    kind: 'UDPRoute',
    version: 'v1',
    plural: 'udproutes',
    scope: 'Namespaced',
    experimental: false,
    spec: { part: 31 },
  },
  XBackend: {
    group: 'gateway.networking.x-k8s.io',
    kind: 'XBackend',
    version: 'v1alpha1',
    plural: 'xbackends',
    scope: 'Namespaced',
    experimental: true,
    spec: {
      properties: {
        endpointSelector: {
          properties: {
            matchLabels: {
              additionalProperties: {
                maxLength: 63,
                minLength: 0,
                pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$',
                type: 'string',
              },
              maxProperties: 64,
              minProperties: 1,
              type: 'object',
              rules: [{ rule: 'self.all(key, !format.qualifiedName().validate(key).hasValue())' }],
            },
          },
          required: ['matchLabels'],
          type: 'object',
        },
        externalHostname: {
          properties: {
            hostname: {
              maxLength: 253,
              minLength: 1,
              pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
              type: 'string',
              rules: [{ rule: "!self.endsWith('.cluster.local')" }],
            },
          },
          required: ['hostname'],
          type: 'object',
        },
        port: {
          minProperties: 1,
          properties: { number: { format: 'int32', maximum: 65535, minimum: 1, type: 'integer' } },
          type: 'object',
        },
        protocol: { enum: ['TCP', 'HTTP', 'HTTP2', 'HTTP11', 'H2C', 'MCP', 'GRPC', 'WSS'], type: 'string' },
        sessionPersistence: { part: 32 },
        tls: {
          default: { mode: 'None' },
          properties: {
            clientCertificateRef: { part: 23 },
            mode: { enum: ['None', 'ServerOnly', 'ClientAndServer'], type: 'string' },
            validation: { part: 3 },
          },
          required: ['mode'],
          type: 'object',
          rules: [
            {
              rule: "self.mode == 'ClientAndServer' ? has(self.clientCertificateRef) : !has(self.clientCertificateRef)",
            },
            { rule: "self.mode == 'None' ? !has(self.validation) : has(self.validation)" },
          ],
        },
        type: { enum: ['ExternalHostname', 'EndpointSelector'], type: 'string' },
      },
      required: ['port', 'type'],
      type: 'object',
      rules: [
        { rule: "self.type == 'ExternalHostname' ? has(self.externalHostname) : !has(self.externalHostname)" },
        { rule: "self.type == 'EndpointSelector' ? has(self.endpointSelector) : !has(self.endpointSelector)" },
        { rule: "!has(self.protocol) || self.protocol != 'H2C' || !has(self.tls) || self.tls.mode == 'None'" },
        { rule: "!has(self.protocol) || self.protocol != 'HTTP2' || (has(self.tls) && self.tls.mode != 'None')" },
        { rule: "!has(self.protocol) || self.protocol != 'WSS' || (has(self.tls) && self.tls.mode != 'None')" },
        { rule: "has(self.sessionPersistence) ? self.type == 'EndpointSelector' : true" },
      ],
    },
  },
  XBackendTrafficPolicy: {
    group: 'gateway.networking.x-k8s.io',
    kind: 'XBackendTrafficPolicy',
    version: 'v1alpha1',
    plural: 'xbackendtrafficpolicies',
    scope: 'Namespaced',
    experimental: true,
    spec: {
      properties: {
        retryConstraint: {
          properties: {
            budget: {
              default: { interval: '10s', percent: 20 },
              properties: {
                interval: {
                  default: '10s',
                  pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$',
                  type: 'string',
                  rules: [{ rule: "!(duration(self) < duration('1s') || duration(self) > duration('1h'))" }],
                },
                percent: { default: 20, maximum: 100, minimum: 0, type: 'integer' },
              },
              type: 'object',
            },
            minRetryRate: {
              default: { count: 10, interval: '1s' },
              properties: {
                count: { maximum: 1000000, minimum: 1, type: 'integer' },
                interval: {
                  pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$',
                  type: 'string',
                  rules: [{ rule: "!(duration(self) == duration('0s') || duration(self) > duration('1h'))" }],
                },
              },
              type: 'object',
            },
          },
          type: 'object',
        },
        sessionPersistence: { part: 32 },
        targetRefs: {
          items: { part: 1 },
          maxItems: 16,
          minItems: 1,
          type: 'array',
          listMapKeys: ['group', 'kind', 'name'],
          listType: 'map',
        },
      },
      required: ['targetRefs'],
      type: 'object',
    },
  },
  XMesh: {
    group: 'gateway.networking.x-k8s.io',
    kind: 'XMesh',
    version: 'v1alpha1',
    plural: 'xmeshes',
    scope: 'Cluster',
    experimental: true,
    spec: { part: 27 },
  },
  XTelemetryPolicy: {
    group: 'gateway.networking.x-k8s.io',
    kind: 'XTelemetryPolicy',
    version: 'v1alpha1',
    plural: 'xtelemetrypolicies',
    scope: 'Namespaced',
    experimental: true,
    spec: {
      properties: {
        targetRefs: { items: { part: 1 }, maxItems: 16, minItems: 1, type: 'array' },
        tracing: {
          properties: {
            attributes: {
              items: {
                properties: {
                  attributeKey: { maxLength: 256, minLength: 1, pattern: '^[a-z0-9_.-]+$', type: 'string' },
                  headerName: {
                    maxLength: 256,
                    minLength: 1,
                    pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
                    type: 'string',
                  },
                  literalValue: { maxLength: 1024, minLength: 1, type: 'string' },
                  name: { maxLength: 256, minLength: 1, pattern: '^[a-zA-Z0-9_.:/-]+$', type: 'string' },
                  sourceType: { enum: ['Header', 'Literal', 'Attribute'], type: 'string' },
                },
                required: ['name', 'sourceType'],
                type: 'object',
                rules: [
                  { rule: "self.sourceType == 'Header' ? has(self.headerName) : !has(self.headerName)" },
                  { rule: "self.sourceType == 'Literal' ? has(self.literalValue) : !has(self.literalValue)" },
                  { rule: "self.sourceType == 'Attribute' ? has(self.attributeKey) : !has(self.attributeKey)" },
                ],
              },
              type: 'array',
              listMapKeys: ['name'],
              listType: 'map',
            },
            mode: {
              default: 'ImplementationDefault',
              enum: ['Enabled', 'Disabled', 'ImplementationDefault'],
              type: 'string',
            },
            parentBasedSampling: {
              properties: {
                mode: {
                  default: 'ImplementationDefault',
                  enum: ['Enabled', 'Disabled', 'ImplementationDefault'],
                  type: 'string',
                },
                samplingRate: { part: 11 },
              },
              type: 'object',
              rules: [{ rule: "has(self.samplingRate) ? self.mode == 'Enabled' : true" }],
            },
            provider: {
              properties: { backendRef: { part: 10 }, headers: { part: 7 } },
              required: ['backendRef'],
              type: 'object',
            },
            samplingRate: { part: 11 },
            serviceName: { maxLength: 253, minLength: 1, pattern: '^[a-zA-Z0-9_.:/-]+$', type: 'string' },
            spanName: {
              maxLength: 256,
              minLength: 1,
              pattern: '^[a-zA-Z0-9_.:/-]+( [a-zA-Z0-9_.:/-]+)*$',
              type: 'string',
            },
          },
          type: 'object',
          rules: [
            { rule: "self.mode == 'Enabled' ? has(self.provider) : !has(self.provider)" },
            { rule: "has(self.samplingRate) ? self.mode == 'Enabled' : true" },
            { rule: "has(self.parentBasedSampling) ? self.mode == 'Enabled' : true" },
            { rule: "has(self.serviceName) ? self.mode == 'Enabled' : true" },
            { rule: "has(self.spanName) ? self.mode == 'Enabled' : true" },
            { rule: "has(self.attributes) ? self.mode == 'Enabled' : true" },
          ],
        },
      },
      required: ['targetRefs'],
      type: 'object',
      rules: [{ rule: 'has(self.tracing)' }],
    },
  },
}
