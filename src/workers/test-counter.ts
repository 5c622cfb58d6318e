/** Program: a ledger's folder, a writer, a key and a number → so many additions; prints their sums. For the test beside. */
import { StoreUnavailable } from '../policies/services.ts'
import { openLedger } from './ledger.ts'

const [folder = '', writer, key = '', times] = process.argv.slice(2)
const ledger = openLedger({ folder, writer: Number(writer) })
const sums = Array.from({ length: Number(times) }, () => {
  try {
    return ledger.add(key, 3_600_000).count
  } catch (error) {
    if (error instanceof StoreUnavailable) return 'unavailable'
    throw error
  }
})
process.stdout.write(sums.join(' '))
