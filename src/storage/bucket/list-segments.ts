import type { ListedObject, ObjectStore } from "../../drivers/objects/object-store.ts";
import { parseSegmentKey, SEGMENTS_PREFIX } from "./object-keys.ts";

/** An object under the segments' prefix. */
export type FoundObject = ListedObject & {
  /** Undefined when the key is none of ours. */
  readonly segment: { readonly tenant: string; readonly id: string } | undefined;
};

/** All objects under the segments' prefix, page by page, ascending by key. Rejects like the store. */
export async function* listSegments(
  store: ObjectStore,
  signal: AbortSignal,
): AsyncGenerator<readonly FoundObject[], void> {
  let page: string | undefined;
  do {
    const found = await store.list({ prefix: SEGMENTS_PREFIX, page, signal });
    yield found.objects.map((object) => ({ ...object, segment: parseSegmentKey(object.key) }));
    page = found.nextPage;
  } while (page !== undefined);
}
