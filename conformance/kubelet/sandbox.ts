/** Namespace name, mounts, program → a process with its own network and root folder. Effects only; nothing of Kubernetes. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export const bridge = { name: 'br-lab', address: '10.244.0.1', prefix: 16, hardware: '02:00:0a:f4:00:01' } as const

/** The lab's own network: Pods behind a bridge, the addresses of Services on the lab itself, and no way out. */
export async function prepareNetwork(services: string): Promise<void> {
  await batch(
    [],
    [
      'link set lo up',
      // of its own it would take the lowest address of its ports, and change it with a new one: Pods would go on sending to the old
      `link add ${bridge.name} address ${bridge.hardware} type bridge`,
      `addr add ${bridge.address}/${bridge.prefix} dev ${bridge.name}`,
      `link set ${bridge.name} up`,
      // the whole range is local: any of its addresses can be dialled, and bound, without being added
      `route add local ${services} dev lo`,
    ],
  )
  await execute('sysctl', [
    '-qw',
    'net.ipv4.ip_forward=1',
    'net.ipv4.conf.all.route_localnet=1',
    'net.core.somaxconn=4096',
  ])
  mkdirSync('/run/netns', { recursive: true })
}

let count = 0

/** Makes the namespace and answers its address, which is never given twice. */
export async function addNetwork(name: string): Promise<string> {
  const number = ++count + 1
  const address = `10.244.${number >> 8}.${number & 255}`
  await batch(
    [],
    [
      `netns add ${name}`,
      `link add v${number} type veth peer name eth0 netns ${name}`,
      `link set v${number} master ${bridge.name} up`,
    ],
  )
  await batch(
    ['-n', name],
    [
      'link set lo up',
      `addr add ${address}/${bridge.prefix} dev eth0`,
      'link set eth0 up',
      `route add default via ${bridge.address}`,
    ],
  )
  return address
}

export async function dropNetwork(name: string): Promise<void> {
  await execute('ip', ['netns', 'del', name])
}

async function batch(options: readonly string[], commands: readonly string[]): Promise<void> {
  const running = execute('ip', [...options, '-batch', '-'])
  const { stdin } = running.child
  // a program that ends before it has read all tells why by its status, not by a broken pipe
  stdin?.on('error', () => undefined)
  stdin?.end(`${commands.join('\n')}\n`)
  await running
}

export interface Mount {
  readonly source: string
  readonly target: string
}

export interface Program {
  /** Network namespace; undefined is the lab's own. */
  readonly network: string | undefined
  /** An empty folder on tmpfs for what the process writes to its root. */
  readonly scratch: string
  readonly mounts: readonly Mount[]
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly directory: string
  readonly line: (text: string) => void
}

// Everything variable arrives as an argument. The machine's root is the lower layer, so a mount point may be made anywhere
// and nothing a Pod writes stays. chroot is the last exec: the process id is the program's.
const enter = `
set -e
scratch=$1 directory=$2; shift 2
root=$scratch/root
mount -t overlay lab -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
for it in dev proc sys; do mount --rbind "/$it" "$root/$it"; done
while [ "$1" != -- ]; do
  target=$root$(realpath -m "$2") # /var/run is an absolute link, which would lead out of the root
  if [ -d "$1" ]; then mkdir -p "$target"; else mkdir -p "$(dirname "$target")"; [ -e "$target" ] || : > "$target"; fi
  mount --bind "$1" "$target"; shift 2
done
shift
exec chroot "$root" env -C "$directory" "$@"`

export async function start(program: Program): Promise<ChildProcess> {
  for (const folder of ['upper', 'work', 'root']) mkdirSync(`${program.scratch}/${folder}`, { recursive: true })
  // a named pipe: programs open /dev/stdout again, which the socket pair of an ordinary child refuses
  const pipe = `${program.scratch}/output`
  await execute('mkfifo', [pipe])
  const output = new Socket({
    fd: openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK),
    readable: true,
    writable: false,
  })
  const write = openSync(pipe, constants.O_WRONLY)
  byLine(output, program.line)

  const mounts = [
    ...otherDisks(readFileSync('/proc/self/mountinfo', 'utf8')).map((at) => ({ source: at, target: at })),
    ...program.mounts,
  ]
  const binds = mounts.flatMap(({ source, target }) => [source, target])
  const enterRoot = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enter, 'enter']
  const command = [...enterRoot, program.scratch, program.directory, ...binds, '--', ...program.argv]
  const [file, ...args] = program.network ? ['nsenter', `--net=/run/netns/${program.network}`, ...command] : command
  const child = spawn(file ?? '', args, { env: program.env, stdio: ['ignore', write, write] })
  closeSync(write)
  return child
}

/** Mount points of other disks below /, which overlayfs does not show: a checkout or a cache may lie on one. Pure. */
export function otherDisks(mountinfo: string): readonly string[] {
  const points = mountinfo
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => {
      // proc(5): fields before " - " end with optional ones; the first after it is the type
      const [before = '', after = ''] = row.split(' - ')
      return { point: before.split(' ')[4] ?? '', type: after.split(' ')[0] ?? '' }
    })
  const disks = new Set([
    'ext2',
    'ext3',
    'ext4',
    'xfs',
    'btrfs',
    'zfs',
    'f2fs',
    'overlay',
    'fuseblk',
    '9p',
    'virtiofs',
    'nfs',
    'nfs4',
  ])
  const own = (point: string) => point === '/' || /^\/(etc|proc|sys|dev|run)(\/|$)/.test(point) || point.includes('\\')
  return points.filter(({ point, type }) => disks.has(type) && !own(point)).map(({ point }) => point)
}

/** Stops the process, by force after the grace in milliseconds. */
export async function stop(child: ChildProcess, grace: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), grace)
  await gone
  clearTimeout(force)
}

function byLine(stream: Socket, line: (text: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    parts.forEach(line)
  })
  stream.on('close', () => rest !== '' && line(rest))
  stream.on('error', (error) => line(`output lost: ${error.message}`))
}
