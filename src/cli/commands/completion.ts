/** The tree of commands → a completion script for bash, zsh or fish. Made from the program itself, so it cannot lag behind. */
import type { Command } from 'commander'
import { UsageError } from '../load.ts'
import { writeOut } from '../print.ts'

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
  return [...command.options.flatMap((option) => [option.long, option.short]), '--help'].filter((flag) => flag != null)
}

function bash(program: Command): string {
  const cases = program.commands.map((command) => `    ${command.name()}) words="${flagsOf(command).join(' ')}" ;;`)
  return `_gantry() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${[...program.commands.map((command) => command.name()), ...flagsOf(program)].join(' ')}"
  else
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    esac
  fi
  if [ "\${current#-}" = "$current" ] && [ "$COMP_CWORD" -gt 1 ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
}
complete -F _gantry gantry`
}

function fish(program: Command): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = program.commands.flatMap((command) => [
    `complete -c gantry -n __fish_use_subcommand -a ${command.name()} -d ${quote(command.description())}`,
    ...command.options
      .filter((option) => option.long != null)
      .map(
        (option) =>
          `complete -c gantry -n "__fish_seen_subcommand_from ${command.name()}" -l ${option.long?.slice(2)} -d ${quote(option.description)}`,
      ),
  ])
  return lines.join('\n')
}
