// A provider for tests: it asks nobody anything, and does what the first part of the path says.
//
//     /works/…     gives a code, and a token for it
//     /errs/…      answers with an error instead of a code
//     /falls-over/…   gives a code, and 503 for it
//     /disowns/…      gives a code, and says for it that it does not know the client

import http from 'node:http'

const TOKENS = {
  works: [200, { access_token: 'not-a-real-token', token_type: 'Bearer', expires_in: 3600 }],
  'falls-over': [503, {}],
  disowns: [401, { error: 'invalid_client' }],
}

export async function startProvider() {
  const server = http.createServer((req, res) => {
    const url = new URL(req.url, 'http://127.0.0.1')
    const [, what, endpoint] = url.pathname.split('/')
    if (endpoint === 'authorize') {
      const back = new URL(url.searchParams.get('redirect_uri'))
      back.searchParams.set('state', url.searchParams.get('state'))
      back.searchParams.set(...(what === 'errs' ? ['error', 'server_error'] : ['code', 'not-a-real-code']))
      return res.writeHead(302, { location: back.href }).end()
    }
    const [status, body] = TOKENS[what]
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`
  return {
    origin,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
