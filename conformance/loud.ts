/** Reason or nothing → whether a test of the real thing runs; a reason is said aloud, and is an error where the lab is required. */

/**
 * GANTRY_LAB=required turns every such reason into a failure: for machines that have to run all tests.
 * Takes the name of what would be tested.
 */
export function runsFor(what: string, why: string | undefined): boolean {
  if (!why) return true
  if (process.env['GANTRY_LAB'] === 'required') throw new Error(`${what} cannot be tested: ${why}`)
  process.stderr.write(`\n!!! NOT TESTED: ${what}: ${why}\n\n`)
  return false
}
