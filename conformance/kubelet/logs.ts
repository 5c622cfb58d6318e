/** Lines of containers → the kubelet's answer to `pods/log`, over HTTPS on the node address. */
import { appendFile, mkdirSync } from 'node:fs'
import { createServer } from 'node:https'
import { dirname } from 'node:path'

export interface Line {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly text: string
}

export interface Log {
  add(text: string): void
}

export interface Logs {
  of(namespace: string, pod: string, container: string): Log
  drop(namespace: string, pod: string): void
  listen(address: string, port: number, credentials: { readonly key: string; readonly cert: string }): Promise<void>
}

// enough for the suite's mirror counts; the file keeps all
const kept = 20_000

/** Lines stay in FOLDER/namespace/pod/container.log after the Pod is gone. */
export function collectLogs(folder: string): Logs {
  const logs = new Map<string, { lines: Line[]; readonly readers: Set<(line: Line) => void> }>()

  function of(namespace: string, pod: string, container: string): Log {
    const name = `${namespace}/${pod}/${container}`
    const log = logs.get(name) ?? { lines: [], readers: new Set() }
    logs.set(name, log)
    const file = `${folder}/${name}.log`
    mkdirSync(dirname(file), { recursive: true })
    return {
      add(text) {
        const line = { time: Date.now(), text }
        log.lines.push(line)
        if (log.lines.length > kept * 2) log.lines = log.lines.slice(-kept)
        for (const reader of log.readers) reader(line)
        appendFile(
          file,
          `${new Date(line.time).toISOString()} ${text}\n`,
          (error) => error && console.error(`logs: ${error.message}`),
        )
      },
    }
  }

  function listen(
    address: string,
    port: number,
    credentials: { readonly key: string; readonly cert: string },
  ): Promise<void> {
    const server = createServer(credentials, (request, response) => {
      const url = new URL(request.url ?? '/', 'https://node')
      const [, verb, ...name] = url.pathname.split('/')
      const log = logs.get(name.join('/'))
      if (verb === 'healthz') return void response.end('ok')
      if (verb !== 'containerLogs' || !log) return void response.writeHead(404).end('no such container\n')

      const timestamps = url.searchParams.get('timestamps') === 'true'
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write(
        chosen(log.lines, url.searchParams, Date.now())
          .map((line) => print(line, timestamps))
          .join(''),
      )
      if (url.searchParams.get('follow') !== 'true') return void response.end()
      const read = (line: Line) => void response.write(print(line, timestamps))
      log.readers.add(read)
      response.on('close', () => log.readers.delete(read))
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, address, resolve)
    })
  }

  function drop(namespace: string, pod: string): void {
    for (const name of logs.keys()) if (name.startsWith(`${namespace}/${pod}/`)) logs.delete(name)
  }

  return { of, drop, listen }
}

/** The lines that sinceSeconds, sinceTime and tailLines of `pods/log` ask for. Pure. */
export function chosen(lines: readonly Line[], query: URLSearchParams, now: number): readonly Line[] {
  const seconds = query.get('sinceSeconds')
  const since = seconds ? now - Number(seconds) * 1000 : Date.parse(query.get('sinceTime') ?? '') || 0
  const wanted = lines.filter(({ time }) => time >= since)
  const tail = query.get('tailLines')
  return tail === null ? wanted : wanted.slice(Math.max(0, wanted.length - Number(tail)))
}

const print = ({ time, text }: Line, timestamps: boolean): string =>
  timestamps ? `${new Date(time).toISOString()} ${text}\n` : `${text}\n`
