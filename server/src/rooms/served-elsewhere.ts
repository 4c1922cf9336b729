/** Another node serves the room: what was asked is to be asked there. */
export class ServedElsewhere extends Error {
  constructor(
    /** The id of that node. */
    readonly node: string,
  ) {
    super('Another node serves this room.')
  }
}
