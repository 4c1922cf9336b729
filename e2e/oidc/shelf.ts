/** What oidc-provider asks of what keeps its things: https://github.com/panva/node-oidc-provider/blob/main/example/my_adapter.js */
interface Shelf {
  upsert(id: string, payload: Payload, expiresIn?: number): Promise<void>
  find(id: string): Promise<Payload | undefined>
  findByUid(uid: string): Promise<Payload | undefined>
  findByUserCode(userCode: string): Promise<Payload | undefined>
  consume(id: string): Promise<void>
  destroy(id: string): Promise<void>
  revokeByGrantId(grantId: string): Promise<void>
}

interface Payload {
  readonly uid?: string
  readonly userCode?: string
  readonly grantId?: string
  readonly consumed?: number
}

/** Keeps them in memory, each kind for itself, until they end by a clock that may be set. @param now milliseconds */
export function shelf(now: () => number): (kind: string) => Shelf {
  const things = new Map<string, { readonly kind: string; readonly payload: Payload; readonly endsAt: number }>()

  return kind => {
    const key = (id: string) => `${kind} ${id}`
    const find = async (id: string) => {
      const thing = things.get(key(id))
      return thing && now() < thing.endsAt ? thing.payload : undefined
    }
    const findBy = async (is: (payload: Payload) => boolean) =>
      [...things.values()].find(thing => thing.kind === kind && now() < thing.endsAt && is(thing.payload))?.payload

    return {
      find,
      findByUid: uid => findBy(payload => payload.uid === uid),
      findByUserCode: userCode => findBy(payload => payload.userCode === userCode),
      async upsert(id, payload, expiresIn = Number.POSITIVE_INFINITY) {
        things.set(key(id), { kind, payload, endsAt: now() + expiresIn * 1000 })
      },
      async consume(id) {
        const thing = things.get(key(id))
        const consumed = Math.floor(now() / 1000)
        if (thing) things.set(key(id), { ...thing, payload: { ...thing.payload, consumed } })
      },
      async destroy(id) {
        things.delete(key(id))
      },
      async revokeByGrantId(grantId) {
        for (const [id, { payload }] of things) if (payload.grantId === grantId) things.delete(id)
      },
    }
  }
}
