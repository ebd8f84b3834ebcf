// An operator of an OpenClaw gateway, for `benchmarks/openclaw_host.py`: requests as JSON lines on stdin, answers and
// the ends of turns as JSON lines on stdout. Law: says what it hears, decides nothing. Arguments: port, token.

import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { createInterface } from 'node:readline'

const [port, token] = process.argv.slice(2)
const scopes = ['operator.read', 'operator.write', 'operator.admin']
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
const id = createHash('sha256').update(raw).digest('hex')

const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`)
const socket = new WebSocket(`ws://127.0.0.1:${port}`)
const request = (id, method, params) => socket.send(JSON.stringify({ type: 'req', id, method, params }))

function connect(nonce) {
  const signedAt = Date.now()
  const told = ['v2', id, 'cli', 'cli', 'operator', scopes.join(','), signedAt, token, nonce].join('|')
  const signature = sign(null, Buffer.from(told), privateKey).toString('base64url')
  request('connect', 'connect', {
    minProtocol: 3,
    maxProtocol: 99,
    client: { id: 'cli', version: '1', platform: process.platform, mode: 'cli' },
    role: 'operator',
    scopes,
    caps: [],
    auth: { token },
    device: { id, publicKey: raw.toString('base64url'), signature, signedAt, nonce },
  })
}

socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data)
  if (frame.type === 'event' && frame.event === 'connect.challenge') connect(frame.payload.nonce)
  else if (frame.type === 'event' && frame.event === 'chat' && frame.payload.state !== 'delta') say(frame)
  else if (frame.type === 'res') say(frame)
}
socket.onclose = () => process.exit(0)
socket.onerror = () => process.exit(1)

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, method, params } = JSON.parse(line)
    request(id, method, params)
  })
  .on('close', () => process.exit(0))
