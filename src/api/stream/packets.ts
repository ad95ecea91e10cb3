/**
 * The elements in packets of at most `maxBytes` (0 = one packet), each with at least one; a single
 * empty packet when there are none. `sizeOf` is an element's size in its message.
 */
export function* packets<E>(
  elements: readonly E[],
  sizeOf: (element: E) => number,
  maxBytes: number,
): Generator<readonly E[], void, void> {
  if (maxBytes <= 0) {
    yield elements;
    return;
  }
  let from = 0;
  let bytes = 0;
  for (const [at, element] of elements.entries()) {
    const size = sizeOf(element);
    if (at > from && bytes + size > maxBytes) {
      yield elements.slice(from, at);
      from = at;
      bytes = 0;
    }
    bytes += size;
  }
  yield elements.slice(from);
}
