// Deliveries to the gateway, and what became of them.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
const { PLAIN, MEMORY, SECRETS, KEYSTILE } = process.env
export const BODIES = {
  small: '{"action":"opened","number":1}',
  spaced: '{ "action" : "opened",\r\n\t"number": 1.0, "again": 1, "again": 2 }\n',
  unicode: '{"name":"Zoë 🪨 北京 \\u00fc \u2028"}',
  form: 'payload=%7B%22action%22%3A%22opened%22%7D',
  large: `{"rows":"${'Ünïcode '.repeat(100_000)}"}`
}

export const secret = (scheme, which = 'right') => readFileSync(`${SECRETS}/${scheme}.${which}`, 'utf8')
export const same = (what, seen, expected) => {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
}

let numbers = 0
export const send = (path, headers, body) => new Promise((resolve, reject) => {
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

/** The fields that `keystile webhook send` would send, by their names in lower case. */
export const made = (scheme, which, body, headers = {}) => {
  writeFileSync(`${SECRETS}/payload`, body)
  const told = execFileSync(KEYSTILE, [
    'webhook', 'send', '--scheme', scheme, '--secret-file', `${SECRETS}/${scheme}.${which}`, '--url', `${PLAIN}/${scheme}`,
    '--data', `@${SECRETS}/payload`, ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    '--dry-run', '-o', 'json'
  ], { encoding: 'utf8' })
  return Object.fromEntries(JSON.parse(told).headers.map(({ name, value }) => [name.toLowerCase(), value]))
}

/** Runs each, tells of each; the process's status says whether all passed. */
export const run = async (...checks) => {
  let failed = false
  for (const check of checks) {
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
}
