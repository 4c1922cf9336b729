import type { NodeLink } from '../gateway/crossing.ts'
import { crossingTypes } from '../gateway/crossing-frames.ts'
import { forwardingTypes, type RequestLink } from './forwarding.ts'

/** Types of the frames that nodes send each other, and the form of their bodies. */
export const linkTypes = new Map([...crossingTypes, ...forwardingTypes])

/** A link to another node, as far as sockets and requests need it. */
export type ServerLink = NodeLink & RequestLink
