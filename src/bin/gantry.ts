#!/usr/bin/env node
/** The program `gantry`. */
import { main } from '../main.ts'

process.exitCode = await main(process.argv.slice(2))
// code of plugins may have left a timer behind; who has nothing left ends before this
setTimeout(() => process.exit(), 1000).unref()
