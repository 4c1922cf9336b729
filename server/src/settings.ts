import { bounds } from './settings/bounds.ts'
import { cluster } from './settings/cluster.ts'
import { edge } from './settings/edge.ts'
import { ice } from './settings/ice.ts'
import { services } from './settings/services.ts'

export type { Setting } from './settings/setting.ts'

/** Every setting, in the order in which docs/configuration.md lists them. */
export const settings = { ...edge, ...services, ...cluster, ...bounds, ...ice } as const
