/** Label selector text → requirements, or why it is none; names of labels and annotations. Pure. Rules of Kubernetes. */

export interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'not-in' | 'exists' | 'absent' | 'greater' | 'less'
  readonly values: readonly string[]
}

export type Selector =
  | { readonly kind: 'selector'; readonly requirements: readonly Requirement[] }
  | { readonly kind: 'mistake'; readonly message: string }

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`; an empty one selects everything. */
export function parseSelector(text: string): Selector {
  const words = text.match(/[A-Za-z0-9._/-]+|==|!=|[=!<>(),]|\s+|./gu)?.filter((word) => word.trim() !== '') ?? []
  const requirements: Requirement[] = []
  const mistake = (message: string): Selector => ({ kind: 'mistake', message })
  const isWord = (word: string | undefined): word is string => word !== undefined && /^[A-Za-z0-9._/-]+$/.test(word)
  let at = 0
  while (at < words.length) {
    const negated = words[at] === '!'
    if (negated) at++
    const key = words[at++]
    if (!isWord(key))
      return mistake(key === undefined ? 'a label is missing at the end' : `"${key}" where a label is expected`)
    const wrong = whyNoName(key)
    if (wrong !== undefined) return mistake(`"${key}" is not the name of a label: ${wrong}`)
    const operator = negated ? undefined : words[at]
    let values: readonly string[] = []
    let kind: Requirement['operator'] = negated ? 'absent' : 'exists'
    if (operator === 'in' || operator === 'notin') {
      at++
      kind = operator === 'in' ? 'in' : 'not-in'
      if (words[at++] !== '(') return mistake(`"(" is missing behind ${operator}`)
      const list: string[] = []
      let value = ''
      for (;;) {
        const word = words[at++]
        if (word === undefined) return mistake('")" is missing')
        if (word === ')' || word === ',') {
          list.push(value)
          value = ''
          if (word === ')') break
        } else if (isWord(word) && value === '') value = word
        else return mistake(`"${word}" where a value is expected`)
      }
      values = list
    } else if (operator === '=' || operator === '==' || operator === '!=' || operator === '>' || operator === '<') {
      at++
      kind = operator === '!=' ? 'not-in' : operator === '>' ? 'greater' : operator === '<' ? 'less' : 'in'
      values = [isWord(words[at]) ? words[at++]! : '']
      if ((kind === 'greater' || kind === 'less') && !/^-?[0-9]+$/.test(values[0]!))
        return mistake(`"${values[0]}" is not a whole number`)
    }
    for (const value of values) {
      if (!/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/.test(value))
        return mistake(`"${value}" is not the value of a label`)
    }
    requirements.push({ key, operator: kind, values })
    if (at >= words.length) break
    if (words[at] !== ',') return mistake(`"${words[at]}" where "," or the end is expected`)
    at++
    if (at >= words.length) return mistake('a label is missing at the end')
  }
  return { kind: 'selector', requirements }
}

export function selects(requirements: readonly Requirement[], labels: Readonly<Record<string, string>>): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = labels[key]
    switch (operator) {
      case 'in':
        return value !== undefined && values.includes(value)
      case 'not-in':
        return value === undefined || !values.includes(value)
      case 'exists':
        return value !== undefined
      case 'absent':
        return value === undefined
      case 'greater':
        return value !== undefined && /^-?[0-9]+$/.test(value) && BigInt(value) > BigInt(values[0] ?? '0')
      case 'less':
        return value !== undefined && /^-?[0-9]+$/.test(value) && BigInt(value) < BigInt(values[0] ?? '0')
    }
  })
}

/** `prefix/name` as labels and annotations are called; undefined where it is good. */
export function whyNoName(name: string): string | undefined {
  const parts = name.split('/')
  if (parts.length > 2) return 'it has more than one slash'
  const [prefix, last] = parts.length === 2 ? parts : [undefined, parts[0]]
  if (prefix !== undefined) {
    const labels = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/
    if (prefix.length > 253 || !labels.test(prefix)) return 'what stands before the slash is not a domain name'
  }
  if (last === undefined || last === '') return 'the name is empty'
  if (last.length > 63) return 'the name is longer than 63 characters'
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(last))
    return 'the name must begin and end with a letter or a digit, with letters, digits, "-", "_" and "." between'
  return undefined
}
