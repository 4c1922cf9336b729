import type { Environment } from './command.ts'

/** How this program was called, for lines that people type again: npx leaves no `parley` behind that a shell would find. */
export const ownName = ({ npm_command }: Environment): string => (npm_command === 'exec' ? 'npx parley' : 'parley')
