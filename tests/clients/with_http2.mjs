// Node's own HTTP/2, stream by stream.
import { createHash } from 'node:crypto'
import { connect, constants } from 'node:http2'
import { readFileSync } from 'node:fs'

const { TLS, CA, TOKEN } = process.env
const block = Buffer.from(Array.from({ length: 1 << 16 }, (_, n) => (n * 7 + Math.floor(n / 251)) % 256))
const content = (size) => Buffer.concat(Array(Math.floor(size / block.length) + 1).fill(block)).subarray(0, size)
const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const same = (what, seen, expected) => {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}
const within = (promise, what) => Promise.race([promise, new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error(`${what}: nothing for 20 s`)), 20_000).unref()
})])

const open = (settings = {}) => new Promise((resolve, reject) => {
  const session = connect(TLS, { ca: readFileSync(CA), settings })
  session.once('connect', () => resolve(session))
  session.once('error', reject)
})
const closed = (session) => new Promise((resolve) => session.close(resolve))

/** One request to its end. `each` sees every part as it comes. */
function ask (session, head, { body, each = () => {} } = {}) {
  const stream = session.request({ 'x-api-key': TOKEN, ...head }, { endStream: body === undefined })
  const reply = new Promise((resolve, reject) => {
    const parts = []
    let fields
    stream.on('response', (headers) => { fields = headers })
    stream.on('data', (part) => { parts.push(part); each(part, stream) })
    stream.on('error', reject)
    stream.on('close', () => resolve({ fields, status: fields?.[':status'], body: Buffer.concat(parts), code: stream.rstCode }))
  })
  if (body !== undefined) stream.end(body)
  return Object.assign(within(reply, head[':path']), { stream })
}

async function aHundredAtOnceOnOneConnection () {
  const session = await open()
  const sizes = Array.from({ length: 100 }, (_, n) => n * 2000)
  const replies = await Promise.all(sizes.map((size) => ask(session, { ':path': `/file/${size}` })))
  replies.forEach((reply, n) => same(`${sizes[n]}`, [reply.status, sha256(reply.body)], [200, sha256(content(sizes[n]))]))
  await closed(session)
}

async function moreThanMayBeAtOnceWait () {
  const session = await open()
  // Until its peer's SETTINGS are here, Node knows no limit.
  await new Promise((resolve) => session.ping(resolve))
  const replies = await Promise.all(Array.from({ length: 400 }, () => ask(session, { ':path': '/file/1000' })))
  same('statuses', [...new Set(replies.map((reply) => reply.status))], [200])
  await closed(session)
}

async function bodiesOfEverySizeThroughWindowsOfEverySize () {
  for (const initialWindowSize of [65_535, 1_000, 4 << 20]) {
    const session = await open({ initialWindowSize })
    for (const size of [0, 1, 65_536, 1_000_003]) {
      const body = content(size)
      const got = ask(session, { ':path': `/file/${size}` })
      const put = ask(session, { ':path': '/digest/1', ':method': 'PUT' }, { body })
      const post = ask(session, { ':path': '/digest/1', ':method': 'POST', 'content-length': size }, { body })
      same(`${size}`, sha256((await got).body), sha256(body))
      for (const said of [await put, await post].map((reply) => JSON.parse(reply.body))) same(`${size} sent`, [said.bytes, said.sha256], [size, sha256(body)])
    }
    await closed(session)
  }
}

async function eventsComeAsTheyLeaveBesideADownload () {
  const session = await open()
  const large = ask(session, { ':path': '/file/20000000' })
  const each = (part) => {
    const late = Date.now() / 1000 - Number(part.toString().split(':')[1])
    if (late > 1) throw new Error(`an event came ${late} s late`)
  }
  const events = await ask(session, { ':path': '/stream/6' }, { each })
  same('events', events.body.toString().trim().split('\n\n').length, 6)
  same('the download', sha256((await large).body), sha256(content(20_000_000)))
  await closed(session)
}

async function streamsGivenUpHoldNothingUp () {
  const session = await open()
  for (let round = 0; round < 20; round++) {
    const leave = (part, stream) => stream.close(constants.NGHTTP2_CANCEL)
    same('given up', (await ask(session, { ':path': '/file/5000000' }, { each: leave })).code, constants.NGHTTP2_CANCEL)
  }
  same('after them', (await ask(session, { ':path': '/file/1000' })).body.length, 1000)
  await closed(session)
}

async function headsConditionsAndRefusals () {
  const session = await open()
  const head = await ask(session, { ':path': '/file/1000', ':method': 'HEAD' })
  same('HEAD', [head.status, head.fields['content-length'], head.body.length], [200, '1000', 0])
  const unchanged = await ask(session, { ':path': '/file/1000', 'if-none-match': '"1000"' })
  same('304', [unchanged.status, unchanged.body.length], [304, 0])
  for (const [path, key, status] of [['/nowhere', TOKEN, 404], ['/digest/1', 'kst_nobodys', 401]]) {
    const refused = ask(session, { ':path': path, ':method': 'POST', 'x-api-key': key }, { body: content(300_000) })
    same(path, [(await refused).status, (await refused).code], [status, constants.NGHTTP2_NO_ERROR])
  }
  await within(new Promise((resolve) => session.ping(resolve)), 'a ping')
  await closed(session)
}

let failed = false
for (const check of [aHundredAtOnceOnOneConnection, moreThanMayBeAtOnceWait, bodiesOfEverySizeThroughWindowsOfEverySize,
  eventsComeAsTheyLeaveBesideADownload, streamsGivenUpHoldNothingUp, headsConditionsAndRefusals]) {
  const began = Date.now()
  try {
    await check()
    console.log(`ok      ${check.name}, ${(Date.now() - began) / 1000} s`)
  } catch (error) {
    failed = true
    console.log(`FAILED  ${check.name}\n${error.stack}`)
  }
}
process.exit(failed ? 1 : 0)
