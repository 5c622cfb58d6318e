/** The thread that reads for `gantry run`: the module that it is told → what that exports as `read`, run. */
import { workerData } from 'node:worker_threads'

// a thread does not inherit what taught its process to read TypeScript
if (workerData.module.endsWith('.ts')) (await import('tsx/esm/api')).register()
const { read } = await import(workerData.module)
await read()
