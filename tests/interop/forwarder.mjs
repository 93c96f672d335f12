// Puts the headers of one user in front of a gateway, for programs that cannot send headers of their own.
//
// Everything else goes through as it came: bodies and event streams unbuffered, a lost client closes the connection to
// the gateway. `Host` and `Origin` are translated only where they name the forwarder itself. Foreign ones reach the
// gateway, whose business it is to refuse them.

import http from 'node:http'

/** Starts a forwarder on loopback that speaks to `gateway` (an origin) as `user`. */
export async function startForwarder({ gateway, key, user }) {
  const target = new URL(gateway)
  const server = http.createServer((req, res) => {
    const own = [`localhost:${port}`, `127.0.0.1:${port}`]
    const headers = { ...req.headers, authorization: `Bearer ${key}`, 'arcade-user-id': user }
    if (own.includes(headers.host)) headers.host = target.host
    if (own.some((host) => headers.origin === `http://${host}`)) headers.origin = target.origin

    const onward = http.request(
      { hostname: target.hostname, port: target.port, method: req.method, path: req.url, headers },
      (answer) => {
        res.writeHead(answer.statusCode, answer.rawHeaders)
        // An event stream may stay silent for long: the client must see its head at once.
        res.flushHeaders()
        answer.pipe(res)
        answer.once('aborted', () => res.destroy())
      },
    )
    onward.setNoDelay(true)
    onward.once('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()))
    res.once('close', () => onward.destroy())
    req.pipe(onward)
  })
  server.on('connection', (socket) => socket.setNoDelay(true))
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  return {
    origin: `http://localhost:${port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
