import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { JsonObject } from '@parley/protocol'
import type { Invite, NamedPeer, RoomRecord } from '../room-store.ts'
import type { Item, Update } from './table.ts'

/** DynamoDB has no longer keys. Bytes. */
const longestKey = 2048

/** DynamoDB would not take half a character. */
export const text = (value: string) => ({ S: value.toWellFormed() })
export const number = (value: number) => ({ N: String(value) })

/** Whether a room can have this id. None has a `#` in it, which sets rooms apart from everything else in the table. */
export const isRoomId = (id: string): boolean =>
  id !== '' && !id.includes('#') && id.isWellFormed() && Buffer.byteLength(id) <= longestKey

/** Where the rooms of this identity are listed. */
export function creatorKey(subject: string): string {
  const key = `creator#${subject.toWellFormed()}`
  if (Buffer.byteLength(key) <= longestKey) return key
  return `creator-digest#${new Bun.CryptoHasher('sha256').update(subject).digest('hex')}`
}

/** A new item for this room. */
export function itemOf(room: RoomRecord, writeId: string): Item {
  const created = room.created_at === null ? {} : { created_at: number(room.created_at) }
  return {
    room_id: text(room.room_id),
    created_by: text(room.created_by),
    ...created,
    ...present(changeable(room, writeId)),
  }
}

/**
 * The room that this item is, also if the original wrote it; undefined if it is none. What others have made of our
 * attributes, so that they cannot be read, counts as their default: the room must not be lost with them.
 */
export function roomOf(item: Item | undefined): RoomRecord | undefined {
  const [room_id, token] = [item?.room_id?.S, item?.token?.S]
  if (!item || !room_id || !token) return
  // Newer versions of the original write no end at all. One that cannot be read is not taken for that.
  if (item.expires_at && item.expires_at.N === undefined && !item.expires_at.NULL) return
  const { created_at, expires_at, max_peers, name, metadata, locked, removed, invites, revision } = item
  return {
    room_id,
    // The original did not look at it to let a peer in. No identity has an empty name, so nobody owns such a room.
    created_by: item.created_by?.S ?? '',
    token,
    created_at: created_at?.N === undefined ? null : Number(created_at.N),
    expires_at: expires_at?.N === undefined ? null : Number(expires_at.N),
    max_peers: max_peers?.N === undefined ? null : Number(max_peers.N),
    name: name?.S ?? null,
    metadata: parsed(metadata, isObject) ?? {},
    locked: locked?.BOOL ?? false,
    removed: parsed(removed, isListOf(namedPeerMembers)) ?? [],
    invites: parsed(invites, isListOf(inviteMembers)) ?? [],
    revision: Number(revision?.N ?? 0),
  }
}

/** The JSON in an attribute, if there is some and it is of the kind that we write. */
export function parsed<T>(
  attribute: AttributeValue | undefined,
  isOurs: (value: unknown) => value is T,
): T | undefined {
  if (attribute?.S === undefined) return
  try {
    const value: unknown = JSON.parse(attribute.S)
    return isOurs(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Which types the members of an object may have. */
type Members<T> = { readonly [K in keyof T]: readonly ('string' | 'number' | 'boolean' | 'null' | 'object')[] }

const namedPeerMembers: Members<NamedPeer> = { peer_id: ['string'], identity: ['string'] }
const inviteMembers: Members<Invite> = {
  invite_id: ['string'],
  digest: ['string'],
  expires_at: ['number', 'null'],
  single_use: ['boolean'],
  role: ['string', 'null'],
  channels: ['object', 'null'],
  used_by: ['object', 'null'],
}

const isListOf =
  <T extends object>(members: Members<T>) =>
  (value: unknown): value is T[] =>
    Array.isArray(value) &&
    value.every(
      item =>
        isObject(item) &&
        Object.entries<readonly string[]>(members).every(([name, types]) =>
          types.includes(item[name] === null ? 'null' : typeof item[name]),
        ),
    )

/** Makes an item this room, if it still has the revision that `was` has. Attributes that are not ours stay. */
export function changeTo(room: RoomRecord, was: Item | undefined, writeId: string): Update {
  const all = changeable(room, writeId)
  const values = present(all)
  const set = Object.keys(values).map(name => `#${name} = :${name}`)
  const atDefault = Object.keys(all).flatMap(name => (values[name] ? [] : [`#${name}`]))
  const isAsItWas = was?.revision ? '#revision = :was' : 'attribute_not_exists(#revision)'
  return {
    UpdateExpression: `SET ${set}${atDefault.length > 0 ? ` REMOVE ${atDefault}` : ''}`,
    ConditionExpression: `attribute_exists(room_id) AND ${isAsItWas}`,
    // `token`, `name` and others are words of DynamoDB's own.
    ExpressionAttributeNames: Object.fromEntries(Object.keys(all).map(name => [`#${name}`, name])),
    ExpressionAttributeValues: {
      ...Object.fromEntries(Object.entries(values).map(([name, value]) => [`:${name}`, value])),
      ...(was?.revision && { ':was': was.revision }),
    },
  }
}

/**
 * All that may change; undefined what is at its default. Objects and lists are JSON, as DynamoDB's own would
 * not keep every number, and limit how deep they are. `write_id` tells by which write the item became what it is.
 */
const changeable = (room: RoomRecord, writeId: string): Record<string, AttributeValue | undefined> => ({
  token: text(room.token),
  expires_at: room.expires_at === null ? undefined : number(room.expires_at),
  max_peers: room.max_peers === null ? undefined : number(room.max_peers),
  name: room.name === null ? undefined : text(room.name),
  metadata: json(room.metadata),
  locked: room.locked ? { BOOL: true } : undefined,
  removed: json(room.removed),
  invites: json(room.invites),
  revision: room.revision > 0 ? number(room.revision) : undefined,
  write_id: text(writeId),
})

const json = (value: object) => (Object.keys(value).length > 0 ? text(JSON.stringify(value)) : undefined)

const present = (attributes: Record<string, AttributeValue | undefined>): Record<string, AttributeValue> =>
  Object.fromEntries(Object.entries(attributes).flatMap(([name, value]) => (value ? [[name, value]] : [])))
