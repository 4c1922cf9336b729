import type { Attack } from '../field.ts'
import { connects } from './connects.ts'
import { control } from './control.ts'
import { overHttp } from './http.ts'
import { junk } from './junk.ts'
import { presence } from './presence.ts'
import { relay, unreadQueues } from './relay.ts'
import { broadcast, discover, register } from './rooms.ts'

/** Every attack, by its name. */
export const attacks = {
  ...control,
  ...discover,
  ...register,
  ...presence,
  ...broadcast,
  ...overHttp,
  ...junk,
  ...relay,
  ...unreadQueues,
  ...connects,
} satisfies Record<string, Attack>

export type AttackName = keyof typeof attacks
