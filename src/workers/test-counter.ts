/** Program: a ledger's folder, a writer, a key and a number → so many additions; prints their sums. For the test beside. */
import { openLedger } from './ledger.ts'

const [folder = '', writer, key = '', times] = process.argv.slice(2)
const ledger = openLedger({ folder, writer: Number(writer) })
const sums = Array.from({ length: Number(times) }, () => ledger.add(key, 3_600_000).count)
process.stdout.write(sums.join(' '))
