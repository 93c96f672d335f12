// Notes: a third party where Planner's users have accounts, make-believe. An OAuth authorization server that asks nobody for a
// password, and an MCP server whose one tool needs its token. Everything is in memory.
//
//     node notes.mjs [--port 3100]

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import { asks, page, redirect } from './pages.mjs'

/** Who has an account at Notes, and what is in it. */
export const ACCOUNTS = [
  { id: 'n-1', name: 'Ada (private)', notes: ['Buy a new loom', 'Call Charles'] },
  { id: 'n-2', name: 'Ada (work)', notes: ['Write the note G'] },
  { id: 'n-3', name: 'Grace', notes: ['Moth: tape into the logbook'] },
]

/** What Anteroom is registered with. Of a real provider, the secret would be nobody's business. */
export const CLIENT = { id: 'anteroom', secret: 'make-believe' }

const HOUR_S = 3600
const random = () => randomBytes(32).toString('base64url')
const same = (one, other) => one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))

/** Starts Notes on a free port, unless `port` says which. `grants()` tells whose grants are alive. */
export async function startNotes({ port = 0 } = {}) {
  const codes = new Map()
  const grants = new Map()
  let base

  const tools = ({ authInfo }) => {
    const server = new McpServer({ name: 'notes', version: '1.0.0' })
    server.registerTool('list', { description: 'Lists your notes', annotations: { readOnlyHint: true } }, () => {
      const { name, notes } = authInfo.extra.account
      return { content: [{ type: 'text', text: [`Notes of ${name}:`, ...notes.map((note) => `- ${note}`)].join('\n') }] }
    })
    return server
  }
  const mcp = createMcpHandler(tools)
  const handleMcp = toNodeHandler({
    fetch: (request) => {
      const token = /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
      const account = accountOf(token)
      // Listing the tools needs nobody's account; only calls do.
      if (!account && token) return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
      return mcp.fetch(request, { authInfo: account && { token, clientId: CLIENT.id, scopes: ['notes.read'], extra: { account } } })
    },
  })

  const accountOf = (token) => grants.get([...grants.keys()].find((id) => grants.get(id).access === token))?.account

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, base)
    const route = `${request.method} ${url.pathname}`
    if (url.pathname === '/mcp') return handleMcp(request, response)
    const fields = new URLSearchParams(request.method === 'POST' ? Buffer.concat(await request.toArray()).toString() : '')
    switch (route) {
      case 'GET /authorize':
        return page(response, 'Notes', asks({ accounts: ACCOUNTS, hidden: Object.fromEntries(url.searchParams) }))
      case 'POST /authorize':
        return consented(response, fields)
      case 'POST /token':
        return json(response, ...token(request, fields))
      case 'GET /me': {
        const account = accountOf(request.headers.authorization?.replace(/^Bearer /i, ''))
        return account ? json(response, 200, { id: account.id, name: account.name }) : json(response, 401, {})
      }
      case 'POST /revoke':
        if (!isClient(request)) return json(response, 401, { error: 'invalid_client' })
        grants.delete(fields.get('token').split('.')[0])
        return json(response, 200, {})
      default:
        return page(response, 'Not here', '', 404)
    }
  })

  /** RFC 6749 §4.1.2, with the `iss` of RFC 9207. */
  function consented(response, fields) {
    const back = new URL(fields.get('redirect_uri'))
    back.searchParams.set('state', fields.get('state'))
    back.searchParams.set('iss', base)
    const account = ACCOUNTS.find(({ id }) => id === fields.get('account'))
    if (fields.get('answer') === 'allow' && account) {
      const code = random()
      codes.set(code, { account, challenge: fields.get('code_challenge'), redirect_uri: fields.get('redirect_uri') })
      back.searchParams.set('code', code)
    } else {
      back.searchParams.set('error', 'access_denied')
    }
    redirect(response, back.href)
  }

  /** RFC 6749 §4.1.3 and §6, PKCE of RFC 7636. A code is good once, and so is each refresh token. */
  function token(request, fields) {
    if (!isClient(request)) return [401, { error: 'invalid_client' }]
    if (fields.get('grant_type') === 'refresh_token') {
      const id = fields.get('refresh_token').split('.')[0]
      const grant = grants.get(id)
      if (!grant || grant.refresh !== fields.get('refresh_token')) return [400, { error: 'invalid_grant' }]
      return [200, issue(id, grant.account)]
    }
    const code = codes.get(fields.get('code'))
    codes.delete(fields.get('code'))
    const verifier = createHash('sha256').update(fields.get('code_verifier') ?? '').digest('base64url')
    if (!code || code.redirect_uri !== fields.get('redirect_uri') || !same(verifier, code.challenge)) {
      return [400, { error: 'invalid_grant' }]
    }
    return [200, issue(random(), code.account)]
  }

  function issue(id, account) {
    const grant = { account, access: random(), refresh: `${id}.${random()}` }
    grants.set(id, grant)
    return { access_token: grant.access, refresh_token: grant.refresh, token_type: 'Bearer', expires_in: HOUR_S, scope: 'notes.read' }
  }

  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${server.address().port}`
  return {
    url: base,
    grants: () => [...grants.values()].map(({ account }) => account.name),
    async close() {
      await mcp.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const isClient = (request) =>
  same(request.headers.authorization ?? '', `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`)

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { port: { type: 'string' } } })
  const { url } = await startNotes({ port: Number(values.port ?? 3100) })
  console.log(`Notes: ${url}`)
}
