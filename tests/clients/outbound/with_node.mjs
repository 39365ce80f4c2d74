// Node's fetch, openai, @anthropic-ai/sdk and stripe.
import { createRequire } from 'node:module'

const require = createRequire(process.env.MODULES + '/')
const { OpenAI } = require('openai')
const { Anthropic } = require('@anthropic-ai/sdk')
const { Anthropic: EarlierAnthropic } = require('earlier-anthropic-sdk')
const Stripe = require('stripe')

const WAYS = JSON.parse(process.env.WAYS)
const TEXT = 'One two three four.'
const ASKED = [{ role: 'user', content: 'Count! Zähle! 数えて' }]

const same = (what, seen, expected) => {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}
const control = async (path, asked) => (await fetch(`${process.env.CONTROL}/${path}?${new URLSearchParams(asked)}`)).json()

// The parts of a stream, which must not have been held back until the end.
async function asItComes (what, parts) {
  const came = []
  for await (const part of parts) came.push([Date.now(), part])
  if (came.at(-1)[0] - came[0][0] < 100) throw new Error(`${what}: ${came.length} parts came at once`)
  return came.map(([, part]) => part)
}

async function nodeFetch (way) {
  const key = { Authorization: `Bearer ${way.key('openai')}` }
  const post = (body) => fetch(`${way.base('openai')}/v1/chat/completions`, {
    method: 'POST', headers: { ...key, 'Content-Type': 'application/json' }, body: JSON.stringify(body)
  })
  const said = await (await post({ model: 'm', messages: ASKED })).json()
  same('a completion', said.choices[0].message.content, TEXT)
  const parts = await asItComes('fetch', (await post({ model: 'm', messages: ASKED, stream: true })).body)
  const lines = Buffer.concat(parts).toString().split('\n\n').filter((line) => line.startsWith('data: {'))
  same('a stream', lines.map((line) => JSON.parse(line.slice(6)).choices[0].delta.content).join(''), TEXT)
  const file = await fetch(`${way.base('openai')}/v1/files/file-1/content`, { headers: key })
  same('a file', (await file.arrayBuffer()).byteLength, 256 * 4000)
}

// As people do it who follow Google's older examples.
async function nodeFetchWithTheKeyInTheUrl (way) {
  const models = await fetch(`${way.base('gemini')}/v1/models?pageSize=2&key=${encodeURIComponent(way.key('gemini'))}`)
  same('models', (await models.json()).models.map(({ name }) => name), ['models/m-1', 'models/m-2'])
}

async function openaiNode (way) {
  const client = new OpenAI({ baseURL: `${way.base('openai')}/v1`, apiKey: way.key('openai') })
  const said = await client.chat.completions.create({ model: 'm', messages: ASKED })
  same('a completion', said.choices[0].message.content, TEXT)
  const parts = await asItComes('chat', await client.chat.completions.create({ model: 'm', messages: ASKED, stream: true }))
  same('a stream', parts.map((part) => part.choices[0].delta.content).join(''), TEXT)
  const files = []
  for await (const file of client.files.list()) files.push(file.id)
  same('pages', files, ['file-1', 'file-2', 'file-3'])
}

// The newer one sends Bearer, the earlier one x-api-key.
const anthropicNode = (way) => anthropic(Anthropic, way)
const earlierAnthropicNode = (way) => anthropic(EarlierAnthropic, way)

async function anthropic (Client, way) {
  const client = new Client({ baseURL: way.base('anthropic'), apiKey: way.key('anthropic') })
  const asked = { model: 'm', max_tokens: 64, messages: ASKED }
  same('a message', (await client.messages.create(asked)).content[0].text, TEXT)
  const stream = client.messages.stream(asked)
  await asItComes('messages', stream)
  same('a stream', await stream.finalText(), TEXT)
  const models = []
  for await (const model of client.models.list()) models.push(model.id)
  same('pages', models, ['m-1', 'm-2', 'm-3'])
}

// It takes a host and a port and no path: its fetch client is told where the connection is.
async function stripeNode (way) {
  const there = (url, init) => fetch(way.base('stripe') + new URL(url).pathname + new URL(url).search, init)
  const client = new Stripe(way.key('stripe'), { httpClient: Stripe.createFetchHttpClient(there), maxNetworkRetries: 0 })
  const made = await client.customers.create({ email: 'ann@example.com', metadata: { 'a b': 'ü&=' } })
  same('created', made.email, 'ann@example.com')
  const found = []
  for await (const customer of client.customers.list({ limit: 2 })) found.push(customer.id)
  same('pages', found, ['cus_1', 'cus_2', 'cus_3'])
  const declined = await client.paymentIntents.create({ amount: 1, currency: 'eur' }).then(() => null, (error) => error)
  same('declined', declined?.code, 'card_declined')
}

let failed = false
for (const use of [nodeFetch, nodeFetchWithTheKeyInTheUrl, openaiNode, anthropicNode, earlierAnthropicNode, stripeNode]) {
  const began = Date.now()
  try {
    for (const [way, { at, keys }] of Object.entries(WAYS)) {
      await control('begin', { use: use.name, way })
      await use({ base: (connection) => `${at}/c/my-${connection}`, key: (connection) => keys[connection] })
    }
    const wrong = await control('judge', { use: use.name })
    if (wrong.length) throw new Error(['what arrived:', ...wrong].join('\n'))
    console.log(`ok      ${use.name}, ${(Date.now() - began) / 1000} s`)
  } catch (error) {
    failed = true
    console.log(`FAILED  ${use.name}\n${error.stack}${error.cause ? `\n${error.cause.stack ?? error.cause}` : ''}`)
  }
}
process.exit(failed ? 1 : 0)
