// `keystile webhook send` signs; @octokit/webhooks and @shopify/shopify-api judge.
import { createRequire } from 'node:module'
import { BODIES, made, run, same, secret } from './deliveries.mjs'

const require = createRequire(process.env.MODULES + '/')
const { Webhooks } = require('@octokit/webhooks')
require('@shopify/shopify-api/adapters/node')
const { ApiVersion, LogSeverity, shopifyApi } = require('@shopify/shopify-api')

async function octokitVerifies () {
  for (const [what, body] of Object.entries(BODIES)) {
    const signature = made('github', 'right', body)['x-hub-signature-256']
    const webhooks = new Webhooks({ secret: secret('github') })
    same(what, await webhooks.verify(body, signature), true)
    same(`${what}, changed`, await webhooks.verify(body + ' ', signature), false)
  }
  const other = made('github', 'wrong', BODIES.small)['x-hub-signature-256']
  same('wrong secret', await new Webhooks({ secret: secret('github') }).verify(BODIES.small, other), false)
}

const shopify = shopifyApi({
  apiKey: 'k', apiSecretKey: secret('shopify'), apiVersion: Object.values(ApiVersion).at(-2), hostName: 'app.example.com',
  isEmbeddedApp: true, scopes: [], logger: { level: LogSeverity.Error, log: () => {} }
})
// What Shopify says beside the signature, and its library wants to see.
const DETAILS = {
  'X-Shopify-Topic': 'orders/create',
  'X-Shopify-Shop-Domain': 'shop.example.com',
  'X-Shopify-API-Version': '2026-10',
  'X-Shopify-Webhook-Id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043'
}

async function shopifyValidates () {
  const judged = async (which, body, sent = body) => {
    const headers = made('shopify', which, body, DETAILS)
    const rawRequest = { method: 'POST', url: '/shopify', headers, rawHeaders: Object.entries(headers).flat() }
    const { valid, reason, topic } = await shopify.webhooks.validate({ rawBody: sent, rawRequest, rawResponse: {} })
    return [valid, valid ? topic : reason]
  }
  for (const [what, body] of Object.entries(BODIES)) {
    same(what, await judged('right', body), [true, 'ORDERS_CREATE'])
    same(`${what}, changed`, await judged('right', body, body + ' '), [false, 'invalid_hmac'])
  }
  same('wrong secret', await judged('wrong', BODIES.small), [false, 'invalid_hmac'])
}

await run(octokitVerifies, shopifyValidates)
