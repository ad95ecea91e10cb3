import type { QueryContext } from "./query-context.ts";

/** What all queries of a context share: made for the first that asks. */
export function perContext<T>(make: () => T): (context: QueryContext) => T {
  const known = new WeakMap<QueryContext, { readonly value: T }>();
  return (context) => {
    let found = known.get(context);
    if (found === undefined) {
      found = { value: make() };
      known.set(context, found);
    }
    return found.value;
  };
}
