import { type Command, command, common } from '../command.ts'
import { completion as scripts, shells } from '../completion.ts'
import type { Listed } from '../executable.ts'
import { UsageError } from '../failure.ts'

/** @param commands all that there are, this one among them */
export const completion = (commands: () => readonly Listed[]): Command =>
  command({
    name: 'completion',
    summary: 'Prints what makes a shell complete commands and options',
    synopsis: ['completion bash|zsh|fish'],
    description: ['It completes “parley”, so that has to be on the PATH; “npx parley” is not completed.'],
    options: { json: common.json, help: common.help },
    examples: [
      ['source <(parley completion bash)', 'in ~/.bashrc'],
      ['source <(parley completion zsh)', 'in ~/.zshrc, after compinit'],
      ['parley completion fish | source', 'in ~/.config/fish/config.fish'],
    ],
    events: { completion: 'shell, script' },
    async run(_values, [name, extra], { out }) {
      const shell = shells.find(each => each === name)
      if (!shell) throw new UsageError(`Which shell? There are ${shells.join(', ')}.`, 'completion')
      if (extra !== undefined) throw new UsageError(`“${extra}” is one too many.`, 'completion')
      const script = scripts[shell](commands())
      out.data({ event: 'completion', shell, script }, script.trimEnd())
      return 0
    },
  })
