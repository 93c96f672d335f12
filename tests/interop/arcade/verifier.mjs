// An application with users of its own, on the JavaScript client: after somebody gave their consent at a provider, their browser
// comes here, and the session here tells who it is. `node verifier.mjs PORT`; where Anteroom is, and the key, are in ARCADE_*.

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import Arcade from '@arcadeai/arcadejs'

const arcade = new Arcade()
const port = Number(process.argv[2])
const sessions = new Map()

const page = (response, title, body = '', status = 200) =>
  response
    .writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
    .end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`)
const redirect = (response, to, headers) => response.writeHead(303, { ...headers, location: to }).end()

const server = createServer(async (request, response) => {
  const url = new URL(request.url, `http://localhost:${port}`)
  const user = sessions.get(/(?:^|; )app=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1])
  const fields = new URLSearchParams(Buffer.concat(await request.toArray()).toString())
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /':
      return user ? page(response, 'Signed in') : page(response, 'App', SIGN_IN)
    case 'POST /': {
      const session = randomBytes(24).toString('base64url')
      sessions.set(session, fields.get('name'))
      return redirect(response, '/', { 'set-cookie': `app=${session}; HttpOnly; SameSite=Lax; Path=/` })
    }
    case 'GET /verify':
      return verify(response, url.searchParams.get('flow_id'), user)
    case 'GET /after':
      return page(response, 'Connected', '<p>You came back to where you wanted to.</p>')
    default:
      return page(response, 'Not here', '', 404)
  }
})

async function verify(response, flow_id, user) {
  try {
    const { auth_id, next_uri } = await arcade.auth.confirmUser({ flow_id, user_id: user ?? '' })
    if (next_uri) return redirect(response, next_uri)
    const { status } = await arcade.auth.waitForCompletion(auth_id)
    return page(response, 'Connected', `<p>It is ${status}.</p>`)
  } catch (error) {
    if (!(error instanceof Arcade.APIError)) throw error
    return page(response, 'Not connected', `<p role="alert">${error.status}</p>`, 400)
  }
}

const SIGN_IN = `<form method="post">
<label>Name <input name="name"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button></form>`

server.listen(port, '127.0.0.1', () => console.log(`the application listens on ${port}`))
