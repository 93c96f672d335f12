// The official TypeScript clients, each in the ways it can be used, behind one small face.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema, ElicitationCompleteNotificationSchema } from '@modelcontextprotocol/sdk/types.js'

const INFO = { name: 'anteroom-interop', version: '1.0.0' }

const headersOf = ({ key, user }) => ({
  ...(key && { Authorization: `Bearer ${key}` }),
  ...(user && { 'Arcade-User-ID': user }),
})

const session2 = (options) => async (to) => {
  const client = new Client(INFO, { ...options, capabilities: to.capabilities ?? {} })
  if (to.onElicit) client.setRequestHandler('elicitation/create', ({ params }) => to.onElicit(params))
  client.setNotificationHandler('notifications/elicitation/complete', ({ params }) => to.onComplete?.(params))
  const transport = new StreamableHTTPClientTransport(new URL(to.url), { requestInit: { headers: headersOf(to) } })
  await client.connect(transport)
  return {
    version: client.getNegotiatedProtocolVersion(),
    list: async () => (await client.listTools()).tools,
    call: (name, args = {}, opts) => client.callTool({ name, arguments: args }, opts),
    async close() {
      await transport.terminateSession()
      await client.close()
    },
  }
}

const session1 = async (to) => {
  const client = new Client1(INFO, { capabilities: to.capabilities ?? {} })
  if (to.onElicit) client.setRequestHandler(ElicitRequestSchema, ({ params }) => to.onElicit(params))
  client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => to.onComplete?.(params))
  const transport = new Transport1(new URL(to.url), { requestInit: { headers: headersOf(to) } })
  await client.connect(transport)
  return {
    version: transport.protocolVersion,
    list: async () => (await client.listTools()).tools,
    call: (name, args = {}, opts) => client.callTool({ name, arguments: args }, undefined, opts),
    async close() {
      await transport.terminateSession()
      await client.close()
    },
  }
}

/**
 * Each dialect opens a session: `open({ url, key, user, capabilities, onElicit, onComplete })`.
 *
 * `version` is the protocol revision it must end up with.
 */
export const DIALECTS = [
  { name: 'client 2.x', version: '2025-11-25', open: session2({}) },
  { name: 'client 2.x, auto', version: '2026-07-28', open: session2({ versionNegotiation: { mode: 'auto' } }) },
  {
    name: 'client 2.x, pinned',
    version: '2026-07-28',
    open: session2({ versionNegotiation: { mode: { pin: '2026-07-28' } } }),
  },
  {
    name: 'client 2.x, 2025-06-18 only',
    version: '2025-06-18',
    open: session2({ supportedProtocolVersions: ['2025-06-18'] }),
  },
  {
    name: 'client 2.x, 2025-03-26 only',
    version: '2025-03-26',
    open: session2({ supportedProtocolVersions: ['2025-03-26'] }),
  },
  { name: 'sdk 1.x', version: '2025-11-25', open: session1 },
]
