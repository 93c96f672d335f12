// What Planner asks Anteroom for, with its API key. Six requests; the key stays on this side of the browser.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

/** Anteroom said no. */
export class GatewayError extends Error {
  constructor(status, body) {
    super(`Anteroom answered ${status}: ${JSON.stringify(body)}`)
    this.status = status
    /** Somebody else was at the browser than whom the connection is for. */
    this.mismatch = body?.error === 'user_mismatch' || status === 403
  }
}

export function anteroom({ gateway, key }) {
  async function post(path, body) {
    const response = await fetch(new URL(path, gateway), {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    })
    const answer = await response.json().catch(() => undefined)
    if (!response.ok) throw new GatewayError(response.status, answer)
    return answer
  }

  return {
    /** Begins a connection, or says that it is there. */
    authorize: ({ user_id, provider, scopes, next_uri }) =>
      post('/v1/auth/authorize', {
        user_id,
        next_uri,
        auth_requirement: { provider_id: provider, provider_type: 'oauth2', oauth2: { scopes } },
      }),
    /** Says who is at the browser that came to `verifier_url`. */
    confirm: (who) => post('/v1/auth/confirm_user', who),
    /** Begins a connection whose browser comes back to an address of its own. */
    link: (what) => post('/v1/connections/link', what),
    /** Says who is at the browser that came to that address. */
    verify: (who) => post('/v1/connections/verify', who),

    /** Calls a tool for a user; `account` is the label of the one to use, where it is not their first. */
    async callTool(name, user, account) {
      const client = new Client({ name: 'Planner', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
      const headers = { authorization: `Bearer ${key}`, 'arcade-user-id': user }
      const transport = new StreamableHTTPClientTransport(new URL('/mcp/planner', gateway), { requestInit: { headers } })
      await client.connect(transport)
      try {
        const _meta = account && { 'dev.anteroom/account': account }
        return await client.callTool({ name, arguments: {}, ...(_meta && { _meta }) })
      } finally {
        await client.close()
      }
    },
  }
}
