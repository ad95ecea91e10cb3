/** What came of one query that both the engine and the oracle were asked. */
export type Outcome =
  /** `found` traces or series. */
  | { readonly type: "same"; readonly found: number }
  /** Both refuse the query. */
  | { readonly type: "refused" }
  | { readonly type: "different"; readonly expected: unknown; readonly actual: unknown };
