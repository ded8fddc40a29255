import { DURATION_PATTERN } from '../duration.js'
import type { Json, JsonObject, JsonSchema } from '../json.js'
import {
  DEFAULT_MAX_BYTES,
  DEFAULT_MAX_REDIRECTS,
  DEFAULT_STATUS,
  DEFAULT_TIMEOUT,
  type HttpConfig,
} from './http/config.js'
import { requestProblems } from './http/problems.js'
import type { Operator, OperatorContext, OperatorResult } from './operator.js'

const url: JsonSchema = {
  title: 'URL',
  description: 'Whole http(s) URL; with a `connection` that has one, the path below its URL.',
  type: 'string',
  minLength: 1,
  'x-template': 'text',
  examples: ['https://api.example.com/v1/rates', '/v1/customers'],
}

const status: JsonSchema = {
  anyOf: [
    { type: 'integer', minimum: 100, maximum: 599 },
    {
      type: 'string',
      pattern: '^[1-5][0-9]{2}-[1-5][0-9]{2}$',
      'x-template': 'none',
      'x-expects': 'a range such as 200-299',
    },
  ],
}

const docs = `
Sends one HTTP request and expects a certain status.

\`\`\`yaml
tasks:
  rates:
    http:
      url: https://api.example.com/v1/rates
      query: { date: "{{ interval.start }}" }
      outputs: { eur: /rates/EUR, published: /date }      # JSON pointers into the answer
  tell_crm:
    needs: [rates]
    http:
      connection: crm                    # base URL, headers and secrets are in sluice.yaml
      method: POST
      url: /v1/imports
      json: { run: "{{ run.id }}", rate: "{{ tasks.rates.outputs.eur }}" }
      expected_status: [201, 409]
\`\`\`

**Outputs**: \`status\`, and each name under \`outputs\` with the value its JSON pointer (RFC 6901) finds in the answer; a
pointer that finds nothing fails the task. The answer may have \`max_bytes\` (1 MB by default), all outputs together 64 kB.

**Connections** of type \`http\` keep credentials out of DAG files and open the way to internal services:

\`\`\`yaml
# sluice.yaml
connections:
  crm: { type: http, url: "http://crm.internal:8000", headers: { Authorization: "Bearer \${env:CRM_TOKEN}" } }
\`\`\`

**What is refused**: a URL in a DAG file must lead to a public address. Private, loopback, link-local and other special addresses
are refused, whatever name, redirect or DNS answer leads there, because the address actually connected to is what is
checked. A connection may reach the origin of its own \`url\` wherever that is: whoever configures Sluice has allowed it.
\`{ type: http, allow_private: true }\`, without \`url\` and headers, is a connection for whole URLs at any address.

**Redirects** are followed \`max_redirects\` times (5), each hop under the same rules: to another origin no headers of yours go along,
and a request with a body is not sent there. After 303, and after 301 or 302 to a POST, it goes on as GET.

**Time**: \`timeout\` covers the whole exchange, so a server that answers drop by drop cannot hold the task. Retries are those of the task.
`

export const http: Operator<HttpConfig> = {
  type: 'http',
  summary: 'Sends an HTTP request and checks the status',
  docs,
  weight: 'light',
  writesTable: false,
  schema: {
    title: 'http',
    description: 'Sends an HTTP request and checks the status.',
    type: 'object',
    additionalProperties: false,
    required: ['url'],
    properties: {
      url,
      connection: {
        title: 'Connection',
        description: 'Connection of type `http`: URL, headers and secrets.',
        type: 'string',
        'x-template': 'none',
        examples: ['crm'],
      },
      method: {
        title: 'Method',
        description: 'By default GET, or POST when there is a body.',
        enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      },
      headers: {
        title: 'Headers',
        description: 'Header fields of the request. Secrets belong in a connection.',
        type: 'object',
        propertyNames: { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" },
        additionalProperties: { type: 'string', 'x-template': 'text' },
        examples: [{ Accept: 'application/json' }],
      },
      json: {
        title: 'JSON body',
        description: 'Sent as application/json; templates are rendered in its strings.',
        examples: [{ run: '{{ run.id }}' }],
      },
      body: {
        title: 'Text body',
        description: 'Sent as it is, as text/plain unless `headers` has a Content-Type.',
        type: 'string',
        'x-template': 'text',
      },
      query: {
        title: 'Query parameters',
        description: 'Added to the URL, encoded; the safe way to put values into a URL.',
        type: 'object',
        additionalProperties: { type: 'string', 'x-template': 'text' },
        examples: [{ date: '{{ interval.start }}' }],
      },
      expected_status: {
        title: 'Expected status',
        description: 'A status, a range, or a list of them; any other fails the task.',
        anyOf: [status, { type: 'array', minItems: 1, items: status }],
        default: DEFAULT_STATUS,
        examples: [201, '200-299', [200, 404]],
      },
      outputs: {
        title: 'Outputs',
        description: 'Output name: JSON pointer into the answer.',
        type: 'object',
        propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
        additionalProperties: {
          type: 'string',
          pattern: '^(/.*)?$',
          'x-template': 'none',
          'x-expects': 'a JSON pointer such as /items/0/id',
        },
        examples: [{ eur: '/rates/EUR', first_id: '/items/0/id' }],
      },
      timeout: {
        title: 'Timeout',
        description: 'For the whole exchange, redirects and body included.',
        type: 'string',
        pattern: DURATION_PATTERN,
        default: DEFAULT_TIMEOUT,
        'x-template': 'none',
        'x-expects': 'a duration with a unit, such as 30s, 5m or 1h',
      },
      max_bytes: {
        title: 'Size cap',
        description: 'A longer answer, after decompression, fails the task.',
        type: 'integer',
        minimum: 1,
        maximum: 64_000_000,
        default: DEFAULT_MAX_BYTES,
      },
      max_redirects: {
        title: 'Redirects',
        description: 'How many redirects are followed; with 0 a redirect is a status like any other.',
        type: 'integer',
        minimum: 0,
        maximum: 20,
        default: DEFAULT_MAX_REDIRECTS,
      },
    },
    dependentSchemas: { json: { properties: { body: false } } },
  },
  shortSchema: url,
  longForm(value: Json): JsonObject {
    return { url: value }
  },
  problems: requestProblems,
  async run(config: HttpConfig, ctx: OperatorContext): Promise<OperatorResult> {
    const { runRequest } = await import('./http/task-request.js')
    return runRequest(config, ctx)
  },
}
