// Where the provider keeps its records: in memory, in the shape that `oidc-provider` asks for (its "adapter").

/** Makes adapters that share their records. */
export function memory() {
  const records = new Map()
  const alive = (record) => (record && record.until > Date.now() ? record.payload : undefined)

  return class {
    constructor(model) {
      this.key = (id) => `${model} ${id}`
      this.own = () => [...records].filter(([key]) => key.startsWith(this.key('')))
    }
    async upsert(id, payload, seconds) {
      records.set(this.key(id), { payload, until: seconds ? Date.now() + seconds * 1000 : Infinity })
    }
    async find(id) {
      return alive(records.get(this.key(id)))
    }
    async findByUid(uid) {
      return alive(this.own().find(([, { payload }]) => payload.uid === uid)?.[1])
    }
    async consume(id) {
      records.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000)
    }
    async destroy(id) {
      records.delete(this.key(id))
    }
    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of this.own()) if (payload.grantId === grantId) records.delete(key)
    }
  }
}
