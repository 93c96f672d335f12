// The company: its identity provider (idp.mjs) and an MCP server, the reference one of the MCP project. Ctrl-C stops both.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = (file) => fileURLToPath(new URL(file, import.meta.url))
const everything = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))

const run = (args, env) => {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
  child.once('exit', (code) => process.exit(code ?? 1))
  return child
}
const children = [
  run([here('idp.mjs'), ...process.argv.slice(2)], process.env),
  // It would listen on every address of the machine, and one of its tools shows its environment: it gets none to show.
  run(['--import', here('loopback.mjs'), everything, 'streamableHttp'], { PORT: process.env.TOOLS_PORT ?? '3001' }),
]
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))
process.on('exit', () => children.forEach((child) => child.kill('SIGTERM')))
