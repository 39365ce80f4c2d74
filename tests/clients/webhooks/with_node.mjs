// @octokit/webhooks and @shopify/shopify-api sign; the gateway judges.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'

const require = createRequire(process.env.MODULES + '/')
const { Webhooks } = require('@octokit/webhooks')
require('@shopify/shopify-api/adapters/node')
const { createSHA256HMAC } = require('@shopify/shopify-api/runtime')

const { PLAIN, MEMORY, SECRETS } = process.env
const BODIES = {
  small: '{"action":"opened","number":1}',
  spaced: '{ "action" : "opened",\r\n\t"number": 1.0, "again": 1, "again": 2 }\n',
  unicode: '{"name":"Zoë 🪨 北京 \\u00fc \u2028"}',
  form: 'payload=%7B%22action%22%3A%22opened%22%7D',
  large: `{"rows":"${'Ünïcode '.repeat(100_000)}"}`
}

const secret = (scheme, which = 'right') => readFileSync(`${SECRETS}/${scheme}.${which}`, 'utf8')
const same = (what, seen, expected) => {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}

let numbers = 0
const send = (path, headers, body) => new Promise((resolve, reject) => {
  const number = `node-${numbers++}`
  const sending = request(PLAIN + path, { method: 'POST', headers: { ...headers, 'X-Test-Number': number } }, reply => {
    reply.resume().on('end', async () => {
      const arrived = await (await fetch(`${MEMORY}/${number}`)).json()
      const { 'x-keystile-error': code, 'x-keystile-replayed': replayed } = reply.headers
      resolve({ status: reply.statusCode, code, replayed: replayed !== undefined, arrived })
    })
  })
  sending.on('error', reject).end(body)
})
const isTaken = (what, scheme, body, { status, code, replayed, arrived }) => {
  same(`${what}: verdict`, [status, code, replayed], [200, undefined, false])
  same(`${what}: username`, arrived.username, [`Webhook: ${scheme}/${scheme}`])
  same(`${what}: body`, Buffer.from(arrived.body, 'base64').toString(), body)
}
const isRefused = (what, wanted, { status, code, arrived }) =>
  same(what, [status, code, arrived], [401, wanted, null])

async function judged (scheme, sign) {
  const to = (fields, body) => send(`/${scheme}`, fields, body)
  for (const [what, body] of Object.entries(BODIES)) {
    isTaken(what, scheme, body, await to(await sign(secret(scheme), body), body))
  }
  const body = BODIES.small
  const fields = await sign(secret(scheme, 'next'), body)
  isTaken('another secret', scheme, body, await to(fields, body))
  const again = await to(fields, body)
  same('the same again', [again.status, again.replayed, again.arrived], [200, true, null])
  isRefused('wrong secret', 'signature_invalid', await to(await sign(secret(scheme, 'wrong'), body), body))
  isRefused('changed body', 'signature_invalid', await to(fields, body + '\n'))
  isRefused('unsigned', 'signature_missing', await to({}, body))
}

const byGitHub = async (secret, body) => ({ 'X-Hub-Signature-256': await new Webhooks({ secret }).sign(body) })
const byShopify = async (secret, body) => ({ 'X-Shopify-Hmac-SHA256': await createSHA256HMAC(secret, body) })

async function octokitSigns () {
  await judged('github', byGitHub)
}

async function anotherGuidIsNoOtherDelivery () {
  const body = '{"zen":"Anybody could write that header."}'
  const fields = await byGitHub(secret('github'), body)
  isTaken('first', 'github', body, await send('/github', { ...fields, 'X-GitHub-Delivery': 'a' }, body))
  const again = await send('/github', { ...fields, 'X-GitHub-Delivery': 'b' }, body)
  same('again', [again.replayed, again.arrived], [true, null])
}

async function shopifySigns () {
  await judged('shopify', byShopify)
}

let failed = false
for (const check of [octokitSigns, anotherGuidIsNoOtherDelivery, shopifySigns]) {
  const began = Date.now()
  try {
    await check()
    console.log(`ok      ${check.name}, ${((Date.now() - began) / 1000).toFixed(1)} s`)
  } catch (error) {
    failed = true
    console.log(`FAILED  ${check.name}\n${error.stack}`)
  }
}
process.exit(failed ? 1 : 0)
