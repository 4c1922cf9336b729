import type { Environment } from './command.ts'
import { LiveLines } from './live-lines.ts'
import { hasColours, type Paint, painter, type Screen } from './terminal.ts'

/** What has happened, for scripts. The name is stable. */
export interface Event {
  readonly event: string
  readonly [member: string]: unknown
}

/** What people are told of it; undefined: nothing. */
export type Text = string | ((paint: Paint) => string) | undefined

/** Where everything goes that a command says. With `--json` that is one object a line, on standard output. */
export interface Output {
  readonly isJson: boolean
  /** Whether somebody looks at the messages in a terminal. */
  readonly isLive: boolean
  /** What the command is for: people get it on standard output. */
  data(event: Event, text: Text): void
  /** News of how it goes: people get it on standard error. */
  news(event: Event, text: Text): void
  /** For people only, on standard output; with `--json` the same is told by events. */
  show(text: Text): void
  /** For people only, on standard error. */
  hint(text: Text): void
  /** Lines at the bottom of the terminal that change; nothing, where there is no terminal or `--json`. */
  readonly live: LiveLines
}

export interface OutputOptions {
  readonly isJson: boolean
  readonly stdout: Screen
  readonly stderr: Screen
  readonly env: Environment
}

export function output({ isJson, stdout, stderr, env }: OutputOptions): Output {
  const isLive = !isJson && stderr.isTTY === true && env.TERM !== 'dumb'
  const live = new LiveLines(isLive ? stderr : undefined)
  const writeTo = (screen: Screen) => {
    const paint = painter(hasColours(screen, env))
    return (text: Text) => {
      if (isJson || text === undefined) return
      live.beside(() => screen.write(`${typeof text === 'string' ? text : text(paint)}\n`))
    }
  }
  const [show, hint] = [writeTo(stdout), writeTo(stderr)]
  const tell = (event: Event) => isJson && stdout.write(`${JSON.stringify(event)}\n`)
  return {
    ...{ isJson, isLive, live, show, hint },
    data(event, text) {
      tell(event)
      show(text)
    },
    news(event, text) {
      tell(event)
      hint(text)
    },
  }
}
