/** "Metadata querying": the contexts that the server selected, by the ids that its replies will use. */
export type MetaContexts = ReadonlyMap<number, string>

export const noMetaContexts: MetaContexts = new Map()
