// A weather service whose users have API keys, and whose MCP tools need them in `x-token-weather`.

import http from 'node:http'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { McpServer, createMcpHandler } from '@modelcontextprotocol/server'

/** Whose key is which. A key that was `revoked` is nobody's. */
export const KEYS = { 'wx-alices-key': 'Alice at Weather', 'wx-alices-new-key': 'Alice at Weather' }

/** Starts it. `mcp` is the address of its tools, `base` that of its API; `seen` is every key it was shown. */
export async function startWeather() {
  const seen = []
  const revoked = new Set()
  const ownerOf = (key) => {
    if (key) seen.push(key)
    return revoked.has(key) ? undefined : KEYS[key]
  }
  const mcp = createMcpHandler(({ authInfo }) => {
    const server = new McpServer({ name: 'weather', version: '1.0.0' })
    server.registerTool('forecast', { description: 'Says how it will be', annotations: { readOnlyHint: true } }, () => ({
      content: [{ type: 'text', text: `Sunny, ${authInfo.extra.owner}.` }],
    }))
    return server
  })
  const tools = toNodeHandler({
    fetch(request) {
      const key = request.headers.get('x-token-weather')
      const owner = ownerOf(key)
      if (key && !owner) return new Response(null, { status: 401 })
      return mcp.fetch(request, { authInfo: owner && { token: key, clientId: 'anteroom', scopes: [], extra: { owner } } })
    },
  })
  const server = http.createServer((request, response) => {
    if (request.url === '/mcp') return tools(request, response)
    const owner = ownerOf(request.headers['x-api-key'])
    response.writeHead(owner ? 200 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(owner ? { id: 'u-1', name: owner } : { message: 'no such key' }))
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${server.address().port}`
  return {
    base,
    mcp: `${base}/mcp`,
    seen,
    revoke: (key) => revoked.add(key),
    async close() {
      await mcp.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
