#!/usr/bin/env node
/** The program `gantry`. Who only serves loads only what serves: many of them start at the same time. */
import cluster from 'node:cluster'
import { letReadersLeave } from '../cli/print.ts'

const words = process.argv.slice(2)
const serves = cluster.isWorker || words[0] === 'data-plane'
const { main } = serves ? await import('../serving.ts') : await import('../main.ts')

letReadersLeave()
process.exitCode = await main(words)
