// Planner (app.mjs) and Notes (notes.mjs), each in a process of its own. Ctrl-C stops both.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const children = ['notes.mjs', 'app.mjs'].map((file) => {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], { stdio: ['ignore', 'inherit', 'inherit'] })
  child.once('exit', (code) => process.exit(code ?? 1))
  return child
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0))
process.on('exit', () => children.forEach((child) => child.kill('SIGTERM')))
