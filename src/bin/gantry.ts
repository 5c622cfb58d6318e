#!/usr/bin/env node
/** The program `gantry`. Who only serves loads only what serves: many of them start at the same time. */
import cluster from 'node:cluster'

const words = process.argv.slice(2)
const serves = cluster.isWorker || words[0] === 'data-plane'
const { main } = serves ? await import('../serving.ts') : await import('../main.ts')

process.exitCode = await main(words)
