import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './parley-process.ts'

export interface Service {
  readonly image: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly [other: string]: unknown
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly [other: string]: unknown
}

/** The text of a file in docker/. */
export const dockerFile = (name: string): string => readFileSync(join(root, 'docker', name), 'utf8')

/** A compose file with its variables filled in (Compose Specification, "Interpolation"). @throws Error if one is missing */
export function readCompose(name: string, variables: Readonly<Record<string, string>> = {}): Compose {
  const text = dockerFile(name)
    .split('\n')
    .filter(line => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, variable, operator, rest) => {
      const value = variables[variable] || (operator === '-' ? rest : undefined)
      if (value === undefined) throw new Error(`${variable} ${rest ?? 'is not set'}`)
      return value
    })
  return Bun.YAML.parse(text) as Compose
}

/** A service of a compose file. @throws Error if it has none of that name */
export function serviceOf({ services }: Compose, name: string): Service {
  const service = services[name]
  if (!service) throw new Error(`There is no service ${name}.`)
  return service
}
