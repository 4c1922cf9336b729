/** What is true of every error with a code. `closeCode`: 4000–4499 "come back", 4500–4999 "do not". */
export interface ErrorKind {
  /** Status of the HTTP response that carries it. */
  readonly httpStatus: number
  /** Code of the WebSocket close that it causes; `null` where the connection stays open. */
  readonly closeCode: number | null
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean
  /** The sentence that is sent when there is nothing more exact to say. */
  readonly sentence: string
  /** What the client should do. */
  readonly remedy: string
}

const kind = (
  httpStatus: number,
  closeCode: number | null,
  retryable: boolean,
  sentence: string,
  remedy: string,
): ErrorKind => ({ httpStatus, closeCode, retryable, sentence, remedy })

/**
 * The one table of errors. The sentences of `INVALID_TOKEN`, `ROOM_NOT_FOUND`, `INVALID_ROOM_TOKEN` and `ROOM_EXPIRED`
 * are the original server's, to the letter: deployed clients print them, and some compare them.
 */
export const errorKinds = {
  INVALID_JSON: kind(400, null, false, 'This is not JSON in UTF-8.', 'Send one JSON object per frame.'),
  INVALID_MESSAGE: kind(
    400,
    null,
    false,
    'The message does not have the right form.',
    'Correct what the sentence names.',
  ),
  UNKNOWN_MESSAGE_TYPE: kind(
    400,
    null,
    false,
    'The message has an unknown type.',
    'Send a type that docs/protocol.md lists.',
  ),
  MESSAGE_TOO_BIG: kind(
    413,
    1009,
    false,
    'The message is too big.',
    'Send less; the limits are in docs/configuration.md.',
  ),
  NOT_IN_ROOM: kind(409, null, false, 'Register before you send this.', 'Send register and wait for registered_auth.'),
  SENDER_MISMATCH: kind(
    403,
    null,
    false,
    'The sender is not the peer of this connection.',
    'Send your own peer_id as sender, or none.',
  ),
  PEER_NOT_FOUND: kind(
    404,
    null,
    false,
    'There is no such peer in the room.',
    'Wait until the peer has registered, then send again.',
  ),
  PEER_NOT_IN_ROOM: kind(
    404,
    null,
    false,
    'The peer is not in your room.',
    'Wait until it has registered there, then send again.',
  ),
  DELIVERY_FAILED: kind(503, null, true, 'The peer does not read what it is sent.', 'Send again after a pause.'),
  INVALID_TOKEN: kind(401, null, false, 'Invalid token', 'Sign in again and use the new id_token.'),
  TOKEN_EXPIRED: kind(
    401,
    4401,
    true,
    'The ID token of this peer has expired.',
    'Connect again with a new id_token, or send renew in time.',
  ),
  SIGN_IN_ELSEWHERE: kind(
    403,
    null,
    false,
    'This server takes the ID tokens of another issuer.',
    'Sign in at the issuer that the sentence names, and use its id_token.',
  ),
  INVALID_ROOM_TOKEN: kind(403, null, false, 'Invalid token', 'Use the token that create-room returned for this room.'),
  ROOM_NOT_FOUND: kind(404, null, false, 'Room not found', 'Check room_id, or create a room.'),
  ROOM_EXPIRED: kind(410, null, false, 'Room expired', 'Create a new room.'),
  ROOM_DELETED: kind(410, 4504, false, 'The room was deleted.', 'Create a new room.'),
  ROOM_FULL: kind(409, null, true, 'The room is full.', 'Try again when a peer has left.'),
  ROOM_LOCKED: kind(403, null, true, 'The room is locked.', 'Ask its owner to unlock it.'),
  INVITE_USED: kind(403, null, false, 'This invitation was used by somebody else.', 'Ask for another invitation.'),
  INVITE_EXPIRED: kind(410, null, false, 'This invitation has expired.', 'Ask for another invitation.'),
  INVITE_NOT_FOUND: kind(404, null, false, 'The room has no such invitation.', 'Look at the invitations of the room.'),
  NOT_IN_CHANNEL: kind(409, null, false, 'This peer is not in that channel.', 'Send join_channel first.'),
  SLOW_CONSUMER: kind(
    429,
    4410,
    true,
    'This peer does not read what it is sent.',
    'Connect again, and read without a pause.',
  ),
  PEER_ID_TAKEN: kind(
    409,
    null,
    false,
    'Another identity uses this peer_id in the room.',
    'Register under another peer_id.',
  ),
  PEER_AWAY: kind(
    503,
    null,
    true,
    'The connection of the peer has ended, and what waits for its return has reached the bound.',
    'Send again after a pause, or when the peer has left and come back.',
  ),
  RESUME_FAILED: kind(
    410,
    null,
    false,
    'This session cannot go on.',
    'Send register on the same connection; the roster in its answer tells the present state.',
  ),
  PEER_REPLACED: kind(
    409,
    4505,
    false,
    'This peer registered again on another connection.',
    'Use the newer connection.',
  ),
  PEER_REMOVED: kind(410, 4507, false, 'This peer was removed from the room.', 'Ask whoever removed it.'),
  REGISTER_TIMEOUT: kind(
    408,
    4408,
    true,
    'This connection did not register in time.',
    'Connect again and send register at once.',
  ),
  LIMIT_REACHED: kind(
    409,
    null,
    false,
    'This identity has reached a limit.',
    'Give up what is no longer needed, or sign in anew.',
  ),
  RATE_LIMITED: kind(429, 4429, true, 'Too many requests.', 'Wait for the time that the answer names.'),
  FORBIDDEN: kind(
    403,
    null,
    false,
    'This needs a right to the room.',
    "Send a Bearer id_token of one of the room's peers, or its token.",
  ),
  ORIGIN_NOT_ALLOWED: kind(
    403,
    null,
    false,
    'Pages of this origin may not connect.',
    'Add the origin to PARLEY_ALLOWED_ORIGINS.',
  ),
  UPGRADE_REQUIRED: kind(
    426,
    null,
    false,
    'A WebSocket is opened here, and this request is not a WebSocket handshake.',
    'Connect with a WebSocket client. A proxy must pass Upgrade and Connection on.',
  ),
  NOT_FOUND: kind(404, null, false, 'There is nothing at this address.', 'See docs/protocol.md for the addresses.'),
  METHOD_NOT_ALLOWED: kind(
    405,
    null,
    false,
    'This address does not take this method.',
    'Use the method in the Allow header.',
  ),
  UNAVAILABLE: kind(503, null, true, 'A service that this needs does not answer.', 'Try again after a pause.'),
  SHUTTING_DOWN: kind(503, 1001, true, 'The server is stopping.', 'Connect again, to another node if there is one.'),
  INTERNAL: kind(
    500,
    null,
    false,
    'Something went wrong in the server.',
    'Report it; the server has logged the cause.',
  ),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

export interface ErrorContext {
  /** Whether the message that failed was, or was meant to be, a `register`. */
  isRegister?: boolean
  /** The `request_id` of the message that failed, if it bore a valid one. */
  requestId?: string | undefined
  /** The peer that the message was for. */
  target?: string | undefined
  /** The same, where the message calls it `target_peer_id` and its answer must, too. */
  targetPeerId?: string | undefined
  /** The peers that a broadcast did not reach. */
  undelivered?: readonly string[] | undefined
  /** Seconds after which another try makes sense. */
  retryAfter?: number | undefined
  cause?: unknown
}

/** The only error that crosses a border inside Parley; everything else is told as `INTERNAL`. */
export class SignalingError extends Error {
  override readonly name = 'SignalingError'
  constructor(
    readonly code: ErrorCode,
    detail: string = errorKinds[code].sentence,
    readonly context: ErrorContext = {},
  ) {
    super(detail, context.cause === undefined ? undefined : { cause: context.cause })
  }

  get kind(): ErrorKind {
    return errorKinds[this.code]
  }

  /** The same error with what else is known of it. */
  with(context: ErrorContext): SignalingError {
    return new SignalingError(this.code, this.message, { ...this.context, ...context })
  }
}

/** `error` as it is whatever was thrown; anything unforeseen becomes `INTERNAL`, which tells nothing of its cause. */
export const toSignalingError = (error: unknown): SignalingError =>
  error instanceof SignalingError ? error : new SignalingError('INTERNAL', undefined, { cause: error })
