/**
 * Program: port, path, number → holds that many connections, each with one request answered, until it is ended. Prints
 * `held N` when they stand.
 */
import { connect } from 'node:net'

const [port, path, wanted] = [Number(process.argv[2]), process.argv[3] ?? '/', Number(process.argv[4])]
/** So many are being opened at once: none waits in the backlog for long. */
const WIDTH = 200
let [opening, asked, held] = [0, 0, 0]

more()

function more(): void {
  while (opening < WIDTH && asked < wanted) {
    opening++
    asked++
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`))
    socket.once('data', () => {
      opening--
      held++
      if (held === wanted) process.stdout.write(`held ${held}\n`)
      more()
    })
    const lost = (why: string) => (): void => {
      process.stderr.write(`connection ${asked} was lost (${why}) with ${held} held\n`)
      process.exit(1)
    }
    socket.once('error', lost('error'))
    socket.once('close', lost('closed'))
  }
}
