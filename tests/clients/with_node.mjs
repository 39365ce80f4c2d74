// Node's fetch, undici and ws.
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(process.env.MODULES + '/')
const { Agent, request } = require('undici')
const WebSocket = require('ws')
const { PLAIN, TLS, CA, TOKEN } = process.env
const SIZES = [0, 1, 1000, 65536, 1_000_003, 20_000_000]
const KEY = { 'X-API-Key': TOKEN }

const block = Buffer.from(Array.from({ length: 1 << 16 }, (_, n) => (n * 7 + Math.floor(n / 251)) % 256))
const content = (size) => Buffer.concat(Array(Math.floor(size / block.length) + 1).fill(block)).subarray(0, size)
const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const same = (what, seen, expected) => {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}
const digest = (size) => ({ bytes: size, sha256: sha256(content(size)) })
const told = ({ bytes, sha256 }) => ({ bytes, sha256 })

function * pieces (size) {
  for (let at = 0; at < size; at += 50_000) yield content(size).subarray(at, at + 50_000)
}

async function fetchSendsAndReceives () {
  for (const base of [PLAIN, TLS]) {
    for (const size of SIZES) {
      const reply = await fetch(`${base}/file/${size}`, { headers: KEY })
      same(`${size}`, sha256(Buffer.from(await reply.arrayBuffer())), sha256(content(size)))
      const sent = await fetch(`${base}/digest/1`, { method: 'POST', headers: KEY, body: content(size) })
      same(`${size} sent`, told(await sent.json()), digest(size))
    }
    const streamed = await fetch(`${base}/digest/1`, {
      method: 'PUT', headers: KEY, duplex: 'half', body: ReadableStream.from(pieces(1_000_003))
    })
    same('streamed', told(await streamed.json()), digest(1_000_003))
    const events = await fetch(`${base}/stream/6`, { headers: KEY })
    for await (const part of events.body) {
      const late = Date.now() / 1000 - Number(Buffer.from(part).toString().split(':')[1])
      if (late > 1) throw new Error(`an event came ${late} s late`)
    }
    const refused = await fetch(`${base}/nowhere`, { headers: KEY })
    same('refused', [refused.status, (await refused.json()).code], [404, 'workflow_not_found'])
  }
}

async function fetchLeavesInTheMiddle () {
  for (let n = 0; n < 10; n++) {
    const leave = new AbortController()
    const reply = await fetch(`${PLAIN}/file/20000000`, { headers: KEY, signal: leave.signal })
    await reply.body.getReader().read()
    leave.abort()
  }
}

async function undiciKeepsConnectionsOverBothVersions () {
  for (const [base, allowH2] of [[PLAIN, false], [TLS, false], [TLS, true]]) {
    let connects = 0
    const dispatcher = new Agent({ connections: 1, allowH2, connect: { ca: readFileSync(CA) } })
    dispatcher.on('connect', () => connects++)
    for (const size of [...SIZES, ...SIZES]) {
      const reply = await request(`${base}/file/${size}`, { headers: KEY, dispatcher })
      same(`${size}`, sha256(Buffer.from(await reply.body.arrayBuffer())), sha256(content(size)))
    }
    const sent = await request(`${base}/digest/1`, { method: 'POST', headers: KEY, body: content(1_000_003), dispatcher })
    same('sent', told(await sent.body.json()), digest(1_000_003))
    same(`${base} ${allowH2}: connections`, connects, 1)
    await dispatcher.close()
  }
}

const open = (base, path = '/ws/1', headers = KEY) => new Promise((resolve, reject) => {
  const socket = new WebSocket(base.replace('http', 'ws') + path, ['chat'], { headers, maxPayload: 64 << 20 })
  socket.once('open', () => resolve(socket))
  socket.once('error', reject)
})
const next = (socket) => new Promise((resolve) => socket.once('message', (data, binary) => resolve(binary ? data : data.toString())))

async function wsTalks () {
  for (const base of [PLAIN, TLS]) {
    const socket = await open(base)
    same('subprotocol', socket.protocol, 'chat')
    for (const message of ['', 'ü€😀', content(70_000), content(20_000_000)]) {
      socket.send(message)
      const back = await next(socket)
      same('a message', Buffer.compare(Buffer.from(back), Buffer.from(message)), 0)
    }
    for (const piece of pieces(500_000)) socket.send(piece, { fin: false })
    socket.send(Buffer.alloc(0), { fin: true })
    same('fragments', sha256(await next(socket)), sha256(content(500_000)))
    const ponged = new Promise((resolve) => socket.once('pong', (data) => resolve(data.toString())))
    socket.ping('hello')
    same('a pong', await ponged, 'hello')
    const closed = new Promise((resolve) => socket.once('close', (code, reason) => resolve([code, reason.toString()])))
    socket.send('close 4321 as told')
    same('a close', await closed, [4321, 'as told'])
  }
}

async function wsIsRefused () {
  for (const [path, headers, status] of [['/ws/1', {}, 401], ['/nowhere', KEY, 404]]) {
    const error = await open(PLAIN, path, headers).then(() => null, (error) => error)
    same(path, error?.message, `Unexpected server response: ${status}`)
  }
}

let failed = false
for (const check of [fetchSendsAndReceives, fetchLeavesInTheMiddle, undiciKeepsConnectionsOverBothVersions, wsTalks, wsIsRefused]) {
  const began = Date.now()
  try {
    await check()
    console.log(`ok      ${check.name}, ${(Date.now() - began) / 1000} s`)
  } catch (error) {
    failed = true
    console.log(`FAILED  ${check.name}\n${error.stack}${error.cause ? `\n${error.cause.stack ?? error.cause}` : ''}`)
  }
}
process.exit(failed ? 1 : 0)
