/** Diagnostics and results → terminal or JSON. Data goes to stdout, words about it to stderr. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Diagnostic } from '../model/diagnostic.ts'
import { hasErrors } from '../model/diagnostic.ts'
import { drawDiagnostics } from '../model/draw.ts'

export type Output = 'text' | 'json'

export function writeOut(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

export function writeError(text: string): void {
  process.stderr.write(text.endsWith('\n') ? text : `${text}\n`)
}

/** `gantry check | head`: who reads may leave before the end. The rest is for nobody, and no mistake of ours. Once in a process. */
export function letReadersLeave(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

/** With carets and colours on a terminal. */
export function drawFor(diagnostics: readonly Diagnostic[], folder: string, stream: NodeJS.WriteStream): string {
  return drawDiagnostics(diagnostics, {
    color: stream.isTTY && process.env['NO_COLOR'] === undefined,
    sourceText: (file) => {
      try {
        return readFileSync(resolve(folder, file), 'utf8')
      } catch {
        return undefined
      }
    },
  })
}

/** `2 routes`, `1 route`. */
export function counted(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}

/** `2 errors, 1 warning`. */
export function summarise(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Diagnostic['severity'], word: string): string => {
    return counted(diagnostics.filter((diagnostic) => diagnostic.severity === severity).length, word)
  }
  return `${count('error', 'error')}, ${count('warning', 'warning')}`
}

/** 0: serves as meant. 1: something is wrong. */
export function exitCodeOf(diagnostics: readonly Diagnostic[], refused: boolean): number {
  return refused || hasErrors(diagnostics) ? 1 : 0
}
