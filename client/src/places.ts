import { ParleyError } from './errors.ts'

/** A join that is under way, or the room that came of it. */
export interface PlaceHolder {
  /** Registers no more, for this reason. Resolves when the server cannot let it in any more later than its successor. */
  replaced(error: ParleyError): Promise<void>
  /** Its successor has not come in: it may go on, if it is there still. */
  kept(): void
  /** Resolves when it is over, and the server knows. */
  readonly over: Promise<void>
}

interface Place {
  readonly turn: number
  readonly holder: PlaceHolder
  /** Resolves when nobody before it can register any more. */
  readonly isFree: Promise<unknown>
}

/**
 * Who has or wants which place in a room. Of the whole page, as two `Parley` may be the same identity: the server keeps
 * the one that registers last, and of two WebSockets that open at the same time that may be the one of the earlier call.
 */
const places = new Map<string, Place>()
let turns = 0

/** Where a call stands among all calls of this page: the last one counts. */
export const nextTurn = (): number => ++turns

/**
 * Takes the place from the one that has it, and then does `enter`.
 * @param turn of the call
 * @throws ParleyError PEER_REPLACED, if a later call has the place; what `enter` throws
 */
export async function takePlace(
  key: string,
  turn: number,
  holder: PlaceHolder,
  enter: () => Promise<void>,
): Promise<void> {
  const before = places.get(key)
  if (before && before.turn > turn) {
    const error = replaced()
    await holder.replaced(error)
    throw error
  }
  const isFree = Promise.all([before?.isFree, before?.holder.replaced(replaced())])
  const place = { turn, holder, isFree }
  keep(key, place)
  try {
    await isFree
    await enter()
  } catch (error) {
    if (before && places.get(key) === place) {
      keep(key, before)
      before.holder.kept()
    }
    throw error
  }
}

/** Until its holder is over. */
function keep(key: string, place: Place): void {
  places.set(key, place)
  void place.holder.over.then(() => {
    if (places.get(key) === place) places.delete(key)
  })
}

const replaced = () => new ParleyError('PEER_REPLACED', 'A later join has taken its place.')
