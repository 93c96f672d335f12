// Planner: an application with users of its own, make-believe. Its people never sign in at Anteroom. Planner says who they are,
// with its API key, and says it again when one of them comes back from connecting an account: the three routes below
// `/accounts` are all of it.
//
//     ANTEROOM_API_KEY=arc_… node app.mjs [--port 3000] [--gateway http://localhost:8080]

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { anteroom, GatewayError } from './anteroom.mjs'
import { form, messageOf, page, redirect } from './pages.mjs'

/** Who has an account at Planner. */
export const PEOPLE = { ada: 'lovelace', grace: 'hopper' }

const SOMEBODY_ELSE = 'These notes were connected for somebody else. Sign in as whoever began, or begin again.'

/** Starts Planner on a free port, unless `port` says which. It serves the people of the gateway at `gateway`. */
export async function startApp({ gateway, key, port = 0 }) {
  const sessions = new Map()
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      console.error(`${request.method} ${request.url.split('?')[0]}: ${error.message}`)
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
      response.end('This did not work; try again.')
    })
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const origin = `http://localhost:${server.address().port}`
  const { authorize, confirm, link, verify, callTool } = anteroom({ gateway, key })

  async function answer(request, response) {
    const url = new URL(request.url, origin)
    const session = sessionOf(request, response)
    const route = `${request.method} ${url.pathname}`

    if (route === 'POST /sign-in') return signIn(request, response, session)
    if (!session.user) return page(response, 'Sign in', signInForm(request.method === 'GET' ? url.pathname + url.search : '/'))

    switch (route) {
      case 'GET /':
        return page(response, 'Planner', home(session))
      case 'POST /notes':
        return showNotes(response, session)
      case 'POST /sign-out':
        sessions.delete(session.id)
        return redirect(response, '/')

      // A user wants to connect their notes. Anteroom says where to send them; afterwards it sends them to `verifier_url`.
      case 'POST /accounts/connect': {
        const { status, url: there } = await authorize({
          user_id: session.user,
          provider: 'notes',
          scopes: ['notes.read'],
          next_uri: `${origin}/`,
        })
        // Whoever is sent an address by somebody else has begun nothing.
        session.begun = status !== 'completed'
        return redirect(response, session.begun ? there : '/')
      }
      // `verifier_url` of gateway.toml: whoever is at this browser gave their consent at the provider. Who is it? That is what
      // Planner's own session says, and nothing in the address does.
      case 'GET /accounts/verify': {
        const flow_id = url.searchParams.get('flow_id')
        // Somebody else may have sent them this address, to have an account of their own used here. Who did not set out from
        // this session is asked.
        if (!session.begun) return page(response, 'Connect your notes?', asksWhetherBegun(flow_id, session.user))
        return verified(response, session, flow_id)
      }
      case 'POST /accounts/verify':
        return verified(response, session, (await fieldsOf(request)).get('flow_id'))

      // The other way: a link of one's own for each attempt, with an address to come back to and a state.
      case 'POST /accounts/add': {
        session.state = randomBytes(16).toString('base64url')
        const made = await link({
          user_id: session.user,
          provider: 'notes',
          scopes: ['notes.read'],
          label: 'second',
          user_verify_url: `${origin}/accounts/added`,
          state: session.state,
          next_uri: `${origin}/`,
        })
        return redirect(response, made.link)
      }
      case 'GET /accounts/added': {
        const expected = session.state
        session.state = undefined
        if (!expected || url.searchParams.get('state') !== expected) {
          return nobodyAsked(response)
        }
        const verified = await told(response, () =>
          verify({ auth_request_id: url.searchParams.get('auth_request_id'), user_id: session.user }),
        )
        return verified && redirect(response, verified.post_user_verify_redirect_url ?? '/')
      }
      default:
        return page(response, 'Not here', '<p>There is no such page.</p>', 404)
    }
  }

  async function verified(response, session, flow_id) {
    session.begun = false
    const confirmed = await told(response, () => confirm({ flow_id, user_id: session.user }))
    if (confirmed) redirect(response, confirmed.next_uri ?? '/')
  }

  const nobodyAsked = (response) => page(response, 'Not connected', '<p role="alert">Nobody here asked for this.</p>', 400)

  /** What a request to Anteroom came to; when it was refused, a page says so. */
  async function told(response, ask) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const why = error.mismatch ? SOMEBODY_ELSE : 'This took too long, or was used before. Begin again.'
      page(response, 'Not connected', `<p role="alert">${why}</p>${form('/', 'Back to Planner', 'get')}`, 400)
    }
  }

  async function showNotes(response, session) {
    const tools = [
      ['Your notes', await callTool('notes_list', session.user)],
      ['Notes of the second account', await callTool('notes_list', session.user, 'second')],
    ]
    const shown = tools.map(([title, result]) => `<h2>${title}</h2><pre>${messageOf(result)}</pre>`)
    page(response, 'Your notes', shown.join('') + form('/', 'Back to Planner', 'get'))
  }

  async function signIn(request, response, session) {
    const fields = await fieldsOf(request)
    const back = fields.get('back')
    if (PEOPLE[fields.get('name')] !== fields.get('password')) {
      return page(response, 'Sign in', signInForm(back, 'Wrong name or password.'), 401)
    }
    // A new session for whoever signed in: one that was planted is worth nothing.
    sessions.delete(session.id)
    open(response, { user: fields.get('name') })
    const there = new URL(back ?? '/', origin)
    redirect(response, there.origin === origin ? there.href : '/')
  }

  function sessionOf(request, response) {
    const id = /(?:^|; )planner=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1]
    return sessions.get(id) ?? open(response, {})
  }

  function open(response, about) {
    const session = { ...about, id: randomBytes(32).toString('base64url') }
    sessions.set(session.id, session)
    // `SameSite=Lax`: other sites' forms do not bring it along, and the way back from the provider does.
    response.setHeader('set-cookie', `planner=${session.id}; HttpOnly; SameSite=Lax; Path=/`)
    return session
  }

  return {
    origin,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const fieldsOf = async (request) => new URLSearchParams(Buffer.concat(await request.toArray()).toString())

const asksWhetherBegun = (flow_id, user) => `<p>Somebody gave Anteroom access to notes, for your account <strong>${user}</strong> at Planner.
Was it you, a moment ago?</p>
<form method="post" action="/accounts/verify">
<input type="hidden" name="flow_id" value="${attribute(flow_id)}">
<button>Yes, connect them</button>
</form>
${form('/', 'No', 'get')}`

const attribute = (text) => String(text ?? '').replaceAll(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

const signInForm = (back, wrong = '') => `<p>Planner has users of its own: <code>ada</code> (lovelace) and <code>grace</code> (hopper).</p>
${wrong && `<p role="alert">${wrong}</p>`}
<form method="post" action="/sign-in">
<input type="hidden" name="back" value="${attribute(back)}">
<label for="name">User name</label>
<input id="name" name="name" autocomplete="username" autocapitalize="none" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button>Sign in</button>
</form>`

const home = (session) => `<p>Hello ${session.user}.</p>
${form('/notes', 'Show my notes')}
${form('/accounts/connect', 'Connect my notes')}
${form('/accounts/add', 'Connect a second account')}
${form('/sign-out', 'Sign out')}`

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { port: { type: 'string' }, gateway: { type: 'string' } } })
  const key = process.env.ANTEROOM_API_KEY
  if (!key) throw new Error('ANTEROOM_API_KEY is not set: README.md says where it comes from')
  const app = await startApp({ gateway: values.gateway ?? 'http://localhost:8080', key, port: Number(values.port ?? 3000) })
  console.log(`Planner: ${app.origin}`)
}
