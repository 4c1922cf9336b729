import type { SignalingError } from '@parley/protocol'

/** 1011 is RFC 6455's "unexpected condition", for an error that was not meant to close anything. */
export const closeCodeOf = (reason: SignalingError): number => reason.kind.closeCode ?? 1011

/** RFC 6455 section 7.4.1: normal closure, going away, and none given, which is what a page sends that just closes. */
const deliberate: readonly number[] = [1000, 1001, 1005]

/** Whether the other end has closed the connection, rather than lost it. */
export const isDeliberate = (code: number): boolean => deliberate.includes(code)
