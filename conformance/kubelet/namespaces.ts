/** Command → the same command in network, mount and process namespaces of its own; all of it ends with this process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { endsWithParent } from '../program.ts'

/**
 * Needs root. The process id of the child is what `nsenter -t PID -n -m` takes.
 * `unshare` ignores SIGTERM while it waits, and process 1 of a namespace ignores all it does not handle: SIGKILL ends both.
 * Process 1 is a shell, since Node would not collect what daemons leave behind.
 */
export function inNamespaces(command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const apart = [
    'unshare',
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation',
    'private',
    '--',
  ]
  const [file, ...args] = endsWithParent([
    ...apart,
    'sh',
    '-c',
    'mount -t tmpfs tmpfs /run && "$@"; exit $?',
    'sh',
    ...command,
  ])
  return spawn(file ?? '', args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
}
