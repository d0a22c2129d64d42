// gRPC by its own project for Node: `shapes.js serve` is the service of backend.py at $PORT, `shapes.js call TARGET`
// asks such a service in the shapes that shapes.py knows, and prints the name of each that went well.
const assert = require('node:assert')
const grpc = require('@grpc/grpc-js')

const MIB = 1024 * 1024
const same = (bytes) => bytes
const largest = { 'grpc.max_receive_message_length': 64 * MIB, 'grpc.max_send_message_length': 64 * MIB }

function serve(port) {
  const begun = []
  const ended = {}
  const now = () => Number(process.hrtime.bigint()) / 1e9

  function metadata(fields) {
    const made = new grpc.Metadata()
    for (const [name, value] of fields) made.set(name, value)
    return made
  }

  function failed(code, details, trailers = []) {
    return Object.assign(new Error(details), { code, details, metadata: metadata(trailers) })
  }

  function echo(call, done) {
    const names = ['x-ask', 'x-ask-bin'].filter((name) => call.metadata.get(name).length)
    call.sendMetadata(metadata(names.map((name) => [name, call.metadata.get(name)[0]])))
    const tail = Buffer.concat([Buffer.from([0, 255]), call.request.subarray(0, 8)])
    done(null, call.request, metadata([['x-tail', 'last'], ['x-tail-bin', tail]]))
  }

  function collect(call, done) {
    let size = 0
    let count = 0
    call.on('data', (message) => { size += message.length; count += 1 })
    call.on('end', () => done(null, Buffer.from(`${size} in ${count}`)))
  }

  async function serveMany(call) {
    const [count, size] = call.request.toString().split(' ').map(Number)
    for (let number = 0; number < count; number += 1) {
      const message = Buffer.alloc(size)
      message.write(String(number).padStart(8, '0'))
      if (!call.write(message)) await new Promise((go) => call.once('drain', go))
    }
    call.end()
  }

  function chat(call) {
    call.on('data', (message) => call.write(Buffer.from(message.toString().toUpperCase())))
    call.on('end', () => call.end())
  }

  const details = [['grpc-status-details-bin', Buffer.from('\b\x05\0details', 'latin1')]]
  const fail = (call, done) => done(failed(Number(call.request), 'nö: 100 % of it\nfailed', details))

  function failLate(call) {
    call.write(Buffer.from('one'))
    call.emit('error', failed(grpc.status.DATA_LOSS, 'after one'))
  }

  function work(call, over) {
    const [name, seconds] = call.request.toString().split(' ')
    begun.push(name)
    const timer = setTimeout(over, Number(seconds) * 1000)
    call.on('cancelled', () => { clearTimeout(timer); ended[name] = now() })
  }

  function sleep(call) {
    call.write(Buffer.from('begun'))
    work(call, () => call.end())
  }

  const slow = (call, done) => work(call, () => done(null, Buffer.from('begun')))
  const seen = (call, done) => done(null, Buffer.from(JSON.stringify({ begun, ended })))
  const who = (call, done) => done(null, Buffer.from(String(process.pid)))
  const methods = {
    Echo: [echo], Compressed: [echo], Fail: [fail], Slow: [slow], Seen: [seen], Who: [who],
    Collect: [collect, true, false], Serve: [serveMany, false, true], FailLate: [failLate, false, true],
    Sleep: [sleep, false, true], Chat: [chat, true, true],
  }
  const service = {}
  const handlers = {}
  for (const [name, [handler, requestStream = false, responseStream = false]] of Object.entries(methods)) {
    service[name] = {
      path: `/test.Shapes/${name}`, requestStream, responseStream,
      requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
    }
    handlers[name] = handler
  }
  const server = new grpc.Server(largest)
  server.addService(service, handlers)
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error
    console.log('listening')
  })
}

async function call(target) {
  const client = new grpc.Client(target, grpc.credentials.createInsecure(), largest)
  const path = (method) => `/test.Shapes/${method}`
  const soon = () => ({ deadline: Date.now() + 20_000 })
  const text = (bytes) => Buffer.from(bytes)

  function unary(method, request, metadata = new grpc.Metadata(), options = soon()) {
    return new Promise((resolve, reject) => {
      let heads
      let value
      const answer = (error, came) => (error ? reject(error) : (value = came))
      const call = client.makeUnaryRequest(path(method), same, same, request, metadata, options, answer)
      call.on('metadata', (came) => { heads = came })
      call.on('status', (status) => resolve({ value, heads, trailers: status.metadata }))
    })
  }

  const failure = (promise) => promise.then(() => assert.fail('it did not fail'), (error) => error)
  const streamed = (method, request) =>
    client.makeServerStreamRequest(path(method), same, same, request, new grpc.Metadata(), soon())

  function collect(messages) {
    return new Promise((resolve, reject) => {
      const answer = (error, value) => (error ? reject(error) : resolve(value.toString()))
      const call = client.makeClientStreamRequest(path('Collect'), same, same, new grpc.Metadata(), soon(), answer)
      ;(async () => {
        for (const message of messages) {
          if (!call.write(message)) await new Promise((go) => call.once('drain', go))
        }
        call.end()
      })()
    })
  }

  const shapes = {
    async unary() {
      for (const size of [0, 1, 100, 16_379, 70_000, 4 * MIB]) {
        assert.deepEqual((await unary('Echo', Buffer.alloc(size, 7))).value, Buffer.alloc(size, 7))
      }
    },
    async clientStream() {
      assert.equal(await collect([text('a'), text(''), text('ccc')]), '4 in 3')
      assert.equal(await collect(Array(512).fill(Buffer.alloc(65_536))), `${32 * MIB} in 512`)
    },
    async serverStream() {
      let number = 0
      for await (const message of streamed('Serve', text('512 65536'))) {
        assert.equal(Number(message.subarray(0, 8)), number)
        number += 1
      }
      assert.equal(number, 512)
    },
    async bidirectional() {
      const call = client.makeBidiStreamRequest(path('Chat'), same, same, new grpc.Metadata(), soon())
      for (let number = 0; number < 50; number += 1) {
        call.write(text(`q${number}`))
        assert.equal(String(await new Promise((come) => call.once('data', come))), `Q${number}`)
      }
      call.end()
      await new Promise((end) => call.once('end', end))
    },
    async metadata() {
      const asked = new grpc.Metadata()
      const binary = Buffer.from([...Array(256).keys()])
      asked.set('x-ask', 'a, b')
      asked.set('x-ask-bin', binary)
      const { heads, trailers } = await unary('Echo', text('12345678'), asked)
      assert.deepEqual([heads.get('x-ask'), heads.get('x-ask-bin')], [['a, b'], [binary]])
      assert.deepEqual(trailers.get('x-tail'), ['last'])
      assert.deepEqual(trailers.get('x-tail-bin'), [Buffer.concat([Buffer.from([0, 255]), text('12345678')])])
    },
    async everyStatus() {
      for (let code = 1; code <= 16; code += 1) {
        const error = await failure(unary('Fail', text(String(code))))
        assert.deepEqual([error.code, error.details], [code, 'nö: 100 % of it\nfailed'])
        assert.deepEqual(error.metadata.get('grpc-status-details-bin'), [Buffer.from('\b\x05\0details', 'latin1')])
      }
      assert.equal((await failure(unary('Nothing', text('')))).code, grpc.status.UNIMPLEMENTED)
    },
    async manyAtOnce() {
      const answers = await Promise.all([...Array(64).keys()].map((number) => unary('Echo', text(`${number}`))))
      answers.forEach(({ value }, number) => assert.equal(String(value), String(number)))
    },
    async deadline() {
      const began = performance.now()
      const error = await failure(unary('Slow', text('node-late 2'), undefined, { deadline: Date.now() + 300 }))
      assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED)
      assert(performance.now() - began < 1000)
    },
    async cancellation() {
      const call = streamed('Sleep', text('node-cancelled 20'))
      await new Promise((come) => call.once('data', come))
      call.cancel()
      assert.equal((await new Promise((come) => call.once('error', come))).code, grpc.status.CANCELLED)
      while (!('node-cancelled' in JSON.parse((await unary('Seen', text(''))).value).ended)) { /* asked again */ }
    },
  }
  for (const [name, shape] of Object.entries(shapes)) {
    await shape()
    console.log(name)
  }
  client.close()
}

const [what, target] = process.argv.slice(2)
if (what === 'serve') serve(process.env.PORT)
else call(target)
