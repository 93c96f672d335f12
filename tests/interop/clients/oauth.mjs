// The official TypeScript clients, as they sign their user in by themselves: discovery, registration, PKCE, token, refresh.
//
// What a program has to bring is here: a memory, a place to listen for the answer, and a person at a browser.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import path from 'node:path'
import * as v2 from '@modelcontextprotocol/client'
import { UnauthorizedError as Unauthorized1 } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { UnauthorizedError as Unauthorized0 } from 'mcp-sdk-before-prm/client/auth.js'
import { Client as Client0 } from 'mcp-sdk-before-prm/client/index.js'
import { StreamableHTTPClientTransport as Transport0 } from 'mcp-sdk-before-prm/client/streamableHttp.js'
import { BACK } from '../idp.mjs'
import { OUT } from '../lib.mjs'

const codeOf = (params) => params.get('code')

const sdk2 = (options) => ({
  connectTo: (info) => new v2.Client(info, options),
  Transport: v2.StreamableHTTPClientTransport,
  Unauthorized: v2.UnauthorizedError,
  // Takes all of the answer, for it looks at `iss`, too.
  answerOf: (params) => params,
})

export const SIGNING_IN = [
  { name: 'client 2.x', ...sdk2({}) },
  { name: 'client 2.x, auto', ...sdk2({ versionNegotiation: { mode: 'auto' } }) },
  {
    name: 'sdk 1.x',
    connectTo: (info) => new Client1(info),
    Transport: Transport1,
    Unauthorized: Unauthorized1,
    answerOf: codeOf,
  },
]

/** The last official client that knows no protected-resource metadata: it looks at the origin, as 2025-03-26 has it. */
export const BEFORE_PRM = {
  name: 'sdk 1.11',
  connectTo: (info) => new Client0(info),
  Transport: Transport0,
  Unauthorized: Unauthorized0,
  answerOf: codeOf,
}

/**
 * A program that uses one of the clients.
 *
 * `browse(url)` opens a link in a browser, and is through when the browser has been sent back. With `document`, the program is
 * known by the document at that address; else it registers itself. `fetch` may look at what goes over the wire.
 */
export async function startProgram(client, { url, name, browse, document, fetch }) {
  const listener = await startListener()
  const kept = { opened: [] }
  const authProvider = memory(kept, listener.redirectUrl, name, document)
  let session
  let transport

  const connect = async () => {
    session = client.connectTo({ name, version: '1.0.0' })
    transport = new client.Transport(new URL(url), { authProvider, fetch })
    await session.connect(transport)
  }
  /** Does `act`, and when that takes a sign-in, signs in and does it again. */
  const signedIn = async (act) => {
    const before = kept.opened.length
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof client.Unauthorized)) throw error
    }
    assert.equal(kept.opened.length, before + 1, 'there is one link to open')
    const answer = listener.answer()
    kept.asked = await browse(kept.opened[before])
    const params = await answer
    assert.equal(params.get('error'), null, `${params}`)
    assert.equal(params.get('state'), stateOf(kept.opened[before]))
    await transport.finishAuth(client.answerOf(params))
    return act()
  }
  return {
    /** What the program remembers: `client`, `tokens`, the links that were `opened`, and what the last one `asked` for. */
    kept,
    connect: () => signedIn(connect),
    list: () => signedIn(async () => (await session.listTools()).tools.map((tool) => tool.name)),
    call: (tool, args = {}) => signedIn(() => session.callTool({ name: tool, arguments: args })),
    async close() {
      await session?.close()
      await listener.close()
    },
  }
}

/**
 * What an `OAuthClientProvider` keeps, here in `kept`.
 *
 * Two requests of a client (a call, and its stream) may be refused at once, and both begin to sign in: the first link counts.
 */
function memory(kept, redirectUrl, name, document) {
  const verifiers = []
  let pending
  return {
    redirectUrl,
    clientMetadataUrl: document,
    clientMetadata: {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    state: () => randomUUID(),
    clientInformation: () => kept.client,
    saveClientInformation: (client) => void (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens(tokens) {
      kept.tokens = tokens
      pending = undefined
    },
    redirectToAuthorization(link) {
      if (pending) return
      pending = link
      kept.opened.push(link.href)
    },
    saveCodeVerifier: (verifier) => void verifiers.push(verifier),
    codeVerifier: () => verifiers.find((verifier) => challengeOf(verifier) === pending.searchParams.get('code_challenge')),
    invalidateCredentials(what) {
      if (what === 'all' || what === 'client') kept.client = undefined
      if (what === 'all' || what === 'tokens') kept.tokens = undefined
    },
  }
}

const challengeOf = (verifier) => createHash('sha256').update(verifier).digest('base64url')
const stateOf = (link) => new URL(link).searchParams.get('state')

/** Where a program listens for the answer: a free port of the machine. */
async function startListener() {
  let waiting
  const server = http.createServer((req, res) => {
    const url = new URL(req.url, 'http://127.0.0.1')
    if (url.pathname !== '/callback') return res.writeHead(404).end()
    waiting?.resolve(url.searchParams)
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`<title>Back</title><p>${BACK}</p>`)
  })
  await listen(server)
  return {
    redirectUrl: `http://127.0.0.1:${server.address().port}/callback`,
    answer: () => (waiting = Promise.withResolvers()).promise,
    close: () => close(server),
  }
}

/**
 * The host of a client that is known by a document: `document` is its address, and `authority` the file with the certificate by
 * which its certificate is known.
 */
export async function startClientHost(name) {
  const { authority, key, cert } = makeCertificate()
  const server = https.createServer({ key, cert }, (req, res) => {
    if (req.url !== '/client.json') return res.writeHead(404).end()
    const document = {
      client_id: address(),
      client_name: name,
      // Of addresses of the machine, the port is free.
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    }
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
  })
  const address = () => `https://localhost:${server.address().port}/client.json`
  await listen(server)
  return { document: address(), authority, close: () => close(server) }
}

/** A certificate for localhost, of an authority that nobody else knows. */
function makeCertificate() {
  const dir = path.join(OUT, 'certificates')
  mkdirSync(dir, { recursive: true })
  const make = (name, subject, ...more) =>
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
        .concat(['-subj', `/CN=${subject}`, '-keyout', `${name}.key`, '-out', `${name}.pem`])
        .concat(more.flatMap((extension) => extension.split(' '))),
      { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] },
    )
  make('authority', 'Anteroom interop tests')
  make(
    'host',
    'localhost',
    '-CA authority.pem -CAkey authority.key',
    '-addext subjectAltName=DNS:localhost',
    '-addext basicConstraints=critical,CA:FALSE',
  )
  const read = (name) => readFileSync(path.join(dir, name))
  return { authority: path.join(dir, 'authority.pem'), key: read('host.key'), cert: read('host.pem') }
}

const listen = (server) =>
  new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))

function close(server) {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
}
