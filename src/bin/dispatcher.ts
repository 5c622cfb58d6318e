#!/usr/bin/env node
/** The program `dispatcher`. */
import { letReadersLeave } from '../cli/print.ts'
import { runDispatcher } from '../dispatcher.ts'

letReadersLeave()
process.exitCode = await runDispatcher(process.argv.slice(2))
