// A company's identity provider, make-believe: the certified `oidc-provider` with three people, a login page, and Anteroom as
// the one application that may send people here. It keeps everything in memory and listens on this machine only.
//
//     node idp.mjs [--port 9000] [--gateway http://localhost:8080]

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import Provider from 'oidc-provider'
import { memory } from './memory.mjs'
import { asksToSignOut, failure, login, signedOut } from './pages.mjs'

/** Who works here. `groups` is what the gateway's rules ask for. */
export const PEOPLE = {
  alice: { password: 'wonderland', name: 'Alice Liddell', groups: ['eng', 'admins'] },
  bob: { password: 'builder', name: 'Bob Baumeister', groups: ['eng'] },
  carol: { password: 'christmas', name: 'Carol Kent', groups: ['sales'] },
}

/** What Anteroom is registered with. Of a real provider, the secret would be nobody's business. */
export const CLIENT = { id: 'anteroom', secret: 'make-believe' }

/** What each scope says about a person, beside `sub`. */
const CLAIMS = { profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] }

/**
 * Starts the provider for the gateway at `gateway`, on a free port unless `port` says which.
 *
 * With `claimsInIdToken` the claims stand in the ID token; without, at the userinfo endpoint. Providers do either.
 * The answer has `issuer`, `rotateKeys()`, after which it signs with new keys, and `close()`.
 */
export async function startIdp({ gateway, port = 0, claimsInIdToken = false }) {
  let handle
  const server = createServer((req, res) => handle(req, res))
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${server.address().port}`
  const lasting = { adapter: memory(), cookies: { keys: [randomBytes(32).toString('base64url')] } }
  const keys = []

  const rotateKeys = () => {
    // The first that fits signs; what the old ones signed is still to be verified.
    keys.unshift(signingKey('rsa', { modulusLength: 2048 }), signingKey('ec', { namedCurve: 'P-256' }))
    const configured = configuration({ gateway, claimsInIdToken })
    handle = handlerOf(new Provider(issuer, { ...configured, ...lasting, jwks: { keys } }))
  }
  rotateKeys()
  return {
    issuer,
    rotateKeys,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function configuration({ gateway, claimsInIdToken }) {
  const hour = 60 * 60
  return {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        client_name: 'Anteroom',
        token_endpoint_auth_method: 'client_secret_basic',
        // One for every user source and gateway, and where people land when they signed out.
        redirect_uris: [`${gateway}/oauth2/intermediate_callback`],
        post_logout_redirect_uris: [`${gateway}/signed-out`],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    responseTypes: ['code'],
    pkce: { required: () => true },
    claims: { openid: ['sub'], ...CLAIMS },
    scopes: ['openid', ...Object.keys(CLAIMS)],
    conformIdTokenClaims: !claimsInIdToken,
    findAccount: (_ctx, sub) =>
      PEOPLE[sub] && {
        accountId: sub,
        claims: () => ({
          sub,
          name: PEOPLE[sub].name,
          email: `${sub}@company.example`,
          email_verified: true,
          groups: PEOPLE[sub].groups,
        }),
      },
    loadExistingGrant: allowOurOwn,
    interactions: { url: (_ctx, { uid }) => `/login/${uid}` },
    ttl: { AccessToken: hour, IdToken: hour, Interaction: hour, Session: 12 * hour, Grant: 12 * hour },
    clientBasedCORS: () => false,
    renderError: (ctx, out) => page(ctx, failure(out)),
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => page(ctx, asksToSignOut(form)),
        postLogoutSuccessSource: (ctx) => page(ctx, signedOut()),
      },
    },
  }
}

/** A key to sign with, of the process's own. */
function signingKey(type, options) {
  const { privateKey } = generateKeyPairSync(type, options)
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: randomBytes(8).toString('hex') }
}

/** Companies do not ask their people whether the company's own application may know who they are. */
async function allowOurOwn(ctx) {
  const { client, session, provider } = ctx.oidc
  const known = session.grantIdFor(client.clientId)
  const grant =
    (known && (await provider.Grant.find(known))) ??
    new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope(['openid', ...Object.keys(CLAIMS)].join(' '))
  await grant.save()
  return grant
}

function page(ctx, html) {
  ctx.type = 'html'
  ctx.body = html
}

/** The protocol is the provider's; the login page is ours. */
function handlerOf(provider) {
  const protocol = provider.callback()
  provider.on('server_error', (_ctx, error) => console.error(error))
  return async (req, res) => {
    if (!req.url.startsWith('/login/')) return protocol(req, res)
    try {
      await logIn(provider, req, res)
    } catch (error) {
      // Opened out of turn, most likely: `SessionNotFound`.
      show(res, 400, failure({ error: error.name, error_description: error.message }))
    }
  }
}

async function logIn(provider, req, res) {
  // Knows the browser by its cookie.
  const { params } = await provider.interactionDetails(req, res)
  if (req.method !== 'POST') return show(res, 200, login({ name: params.login_hint }))

  const form = new URLSearchParams(await bodyOf(req))
  const name = form.get('name')?.trim().toLowerCase() ?? ''
  if (form.has('cancel')) {
    const answer = { error: 'access_denied', error_description: 'the person cancelled' }
    return provider.interactionFinished(req, res, answer, { mergeWithLastSubmission: false })
  }
  const known = Object.hasOwn(PEOPLE, name) && PEOPLE[name].password === form.get('password')
  if (!known) return show(res, 200, login({ name, wrong: true }))
  await provider.interactionFinished(req, res, { login: { accountId: name } }, { mergeWithLastSubmission: false })
}

async function bodyOf(req) {
  let body = ''
  for await (const chunk of req.setEncoding('utf8')) {
    body += chunk
    if (body.length > 10_000) throw new Error('no login form is that large')
  }
  return body
}

const show = (res, status, html) =>
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html)

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { port: { type: 'string' }, gateway: { type: 'string' } } })
  const { issuer } = await startIdp({
    port: Number(values.port ?? 9000),
    gateway: values.gateway ?? 'http://localhost:8080',
  })
  console.log(`The company's identity provider: ${issuer}`)
  for (const [name, { password, groups }] of Object.entries(PEOPLE)) {
    console.log(`  ${name.padEnd(5)}  password ${password.padEnd(10)}  groups ${groups.join(', ')}`)
  }
}
