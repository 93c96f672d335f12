// A service where people have accounts: an OAuth provider that asks for consent, and an API that its tokens open. It misbehaves
// on demand.
//
//     /authorize /token /revoke    OAuth, with PKCE and refresh tokens that are good once
//     GET /me                      whose token it is
//     GET /status/503              answers with that status
//     POST /expire                 access tokens that are out cease to work
//     POST /forget                 refresh tokens cease to work, too

import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

const CLIENT = { id: 'anteroom', secret: 'make-believe' }
const random = () => randomBytes(24).toString('base64url')
const attribute = (text) => text.replaceAll(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

/** Starts it on a free port. `name` is what its pages say; `login`, whose account it is. */
export async function startService({ name, login }) {
  const codes = new Map()
  const grants = []
  const byAccess = (token) => grants.find((grant) => grant.access === token)

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://127.0.0.1')
    const fields = new URLSearchParams(Buffer.concat(await request.toArray()).toString())
    const json = (status, body, headers) =>
      response
        .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
        .end(JSON.stringify(body))

    switch (`${request.method} ${url.pathname.replace(/\d+$/, '')}`) {
      case 'GET /authorize':
        return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(asks(url.searchParams))
      case 'POST /authorize':
        return response.writeHead(303, { location: decided(fields) }).end()
      case 'POST /token':
        return json(...tokens(request, fields))
      case 'POST /revoke':
        for (const grant of grants) {
          if ([grant.access, grant.refresh].includes(fields.get('token'))) grant.access = grant.refresh = undefined
        }
        return json(200, {})
      case 'GET /me': {
        const grant = byAccess(/^(?:Bearer|token) (.+)$/i.exec(request.headers.authorization ?? '')?.[1])
        return grant ? json(200, { id: `${login}-1`, login, scopes: grant.scope }) : json(401, { message: 'no such token' })
      }
      case 'GET /status/': {
        const status = Number(url.pathname.split('/').pop())
        return json(status, { status }, status === 429 && { 'retry-after': '7' })
      }
      case 'POST /expire':
      case 'POST /forget':
        for (const grant of grants) {
          grant.access = undefined
          if (url.pathname === '/forget') grant.refresh = undefined
        }
        return json(200, {})
      default:
        return json(404, {})
    }
  })

  const asks = (query) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${name}</title>
<h1>${name}</h1>
<p>Anteroom asks for: ${attribute(query.get('scope') ?? 'nothing')}</p>
<form method="post">
${[...query].map(([key, value]) => `<input type="hidden" name="${attribute(key)}" value="${attribute(value)}">`).join('\n')}
<button name="answer" value="allow">Allow</button>
<button name="answer" value="deny">Deny</button>
</form></html>`

  function decided(fields) {
    const back = new URL(fields.get('redirect_uri'))
    back.searchParams.set('state', fields.get('state'))
    back.searchParams.set('iss', origin)
    if (fields.get('answer') === 'allow') {
      const code = random()
      codes.set(code, fields)
      back.searchParams.set('code', code)
    } else {
      back.searchParams.set('error', 'access_denied')
    }
    return back.href
  }

  function tokens(request, fields) {
    if (!isClient(request, fields)) return [401, { error: 'invalid_client' }]
    if (fields.get('grant_type') === 'refresh_token') {
      const grant = grants.find(({ refresh }) => refresh && refresh === fields.get('refresh_token'))
      return grant ? [200, renewed(grant)] : [400, { error: 'invalid_grant' }]
    }
    const asked = codes.get(fields.get('code'))
    codes.delete(fields.get('code'))
    const challenge = createHash('sha256').update(fields.get('code_verifier') ?? '').digest('base64url')
    const same = asked?.get('redirect_uri') === fields.get('redirect_uri') && asked?.get('code_challenge') === challenge
    if (!same) return [400, { error: 'invalid_grant' }]
    grants.push({ scope: asked.get('scope') ?? '' })
    return [200, renewed(grants.at(-1))]
  }

  function renewed(grant) {
    Object.assign(grant, { access: `${name}-access-${random()}`, refresh: `${name}-refresh-${random()}` })
    return { access_token: grant.access, refresh_token: grant.refresh, token_type: 'Bearer', expires_in: 3600, scope: grant.scope }
  }

  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`
  return {
    origin,
    login,
    /** The section of gateway.toml. */
    toml: (section) => `[providers.${section}]
title = "${name}"
authorize_url = "${origin}/authorize"
token_url = "${origin}/token"
issuer = "${origin}"
client_id = "${CLIENT.id}"
client_secret = "${CLIENT.secret}"
user_info = { url = "${origin}/me", id = "$.id", name = "$.login" }
revocation = { url = "${origin}/revoke", method = "POST", body = "form", auth = "client", token = "refresh_token" }`,
    /** Whether any token of it stands in a text. */
    spoke: (text) => text.includes(`${name}-access-`) || text.includes(`${name}-refresh-`),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const isClient = (request, fields) =>
  request.headers.authorization === `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}` ||
  (fields.get('client_id') === CLIENT.id && fields.get('client_secret') === CLIENT.secret)
