// @octokit/webhooks and @shopify/shopify-api sign; the gateway judges.
import { createRequire } from 'node:module'
import { BODIES, run, same, secret, send } from './deliveries.mjs'

const require = createRequire(process.env.MODULES + '/')
const { Webhooks } = require('@octokit/webhooks')
require('@shopify/shopify-api/adapters/node')
const { createSHA256HMAC } = require('@shopify/shopify-api/runtime')

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

await run(octokitSigns, anotherGuidIsNoOtherDelivery, shopifySigns)
