// Preloaded (`node --import`) into servers that would listen on every address of the machine: keeps them on loopback.

import { Server } from 'node:net'

const listen = Server.prototype.listen
Server.prototype.listen = function (port, ...rest) {
  const callback = rest.find((argument) => typeof argument === 'function')
  return typeof port === 'object'
    ? listen.call(this, port, ...rest)
    : listen.call(this, { port: Number(port), host: '127.0.0.1' }, callback)
}
