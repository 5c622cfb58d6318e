#!/usr/bin/env node
/** The program `dispatcher`. */
import { runDispatcher } from '../dispatcher.ts'

process.exitCode = await runDispatcher(process.argv.slice(2))
