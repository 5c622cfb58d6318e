/** Two texts → are they the same, in a time that says nothing about where they differ. Pure. */

/** The length is no secret: keys of one kind have one length. */
export function equalSecrets(left: string, right: string): boolean {
  if (left.length !== right.length) return false
  let difference = 0
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at)
  return difference === 0
}
