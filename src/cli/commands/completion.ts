/** The tree of commands → a completion script for bash, zsh or fish. Made from the program itself, so it cannot lag behind. */
import type { Command, Option } from 'commander'
import { UsageError } from '../load.ts'
import { writeOut } from '../print.ts'
import { settingChoices } from '../settings-options.ts'

export function completion(program: Command, shell: string): number {
  switch (shell) {
    case 'bash':
      writeOut(bash(program))
      return 0
    case 'zsh':
      writeOut(`autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`)
      return 0
    case 'fish':
      writeOut(fish(program))
      return 0
    default:
      throw new UsageError(`there is no completion for ${shell}`, 'bash, zsh or fish')
  }
}

function flagsOf(command: Command): string[] {
  return [...command.options.flatMap(namesOf), '--help']
}

function namesOf({ long, short }: Option): string[] {
  return [long, short].filter((flag) => flag != null)
}

/** What may stand behind a flag, where that is known. */
function choicesOf(option: Option): readonly string[] {
  return option.argChoices ?? settingChoices(option.long ?? '') ?? []
}

function argumentChoices(command: Command): readonly string[] {
  return command.registeredArguments[0]?.argChoices ?? []
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}

/** `--flag=value` comes to bash as three words. */
function bash(program: Command): string {
  const words = program.commands.map((command) => `    ${command.name()}) words="${flagsOf(command).join(' ')}" ;;`)
  const values = program.commands.flatMap((command) =>
    command.options.flatMap((option) => {
      const names = namesOf(option).map((flag) => `"${command.name()} ${flag}"`)
      const choices = choicesOf(option)
      if (choices.length > 0) return [`    ${names.join('|')}) choices="${choices.join(' ')}" ;;`]
      return takesValue(option) ? [`    ${names.join('|')}) files=yes ;;`] : []
    }),
  )
  const places = program.commands
    .filter((command) => argumentChoices(command).length > 0)
    .map((command) => `    ${command.name()}) choices="${argumentChoices(command).join(' ')}" ;;`)
  return `_gantry() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words="" choices="" files=""
  if [ "$current" = "=" ]; then
    current=""
  elif [ "$previous" = "=" ]; then
    previous="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...program.commands.map((command) => command.name()), ...flagsOf(program)].join(' ')}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${values.join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${words.join('\n')}
  esac
  if [ -z "$choices$files" ] && [ "\${current#-}" = "$current" ]; then
    case "\${COMP_WORDS[1]}" in
${places.join('\n')}
    esac
  fi
  if [ -n "$choices" ]; then
    COMPREPLY=($(compgen -W "$choices" -- "$current"))
  elif [ -z "$files" ] && [ "\${current#-}" != "$current" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _gantry gantry`
}

function fish(program: Command): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = program.commands.flatMap((command) => {
    const inside = `complete -c gantry -n "__fish_seen_subcommand_from ${command.name()}"`
    const choices = argumentChoices(command)
    return [
      `complete -c gantry -n __fish_use_subcommand -a ${command.name()} -d ${quote(command.description())}`,
      ...(choices.length === 0 ? [] : [`${inside} -f -a ${quote(choices.join(' '))}`]),
      ...command.options.flatMap((option) => {
        if (option.long == null) return []
        const short = option.short == null ? '' : ` -s ${option.short.slice(1)}`
        const values = choicesOf(option)
        const value = values.length > 0 ? ` -x -a ${quote(values.join(' '))}` : takesValue(option) ? ' -r' : ''
        return [`${inside} -l ${option.long.slice(2)}${short}${value} -d ${quote(option.description)}`]
      }),
    ]
  })
  return lines.join('\n')
}
