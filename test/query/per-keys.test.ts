import { expect, test } from "vitest";
import { PerKeys } from "../../src/query/per-keys.ts";
import type { KeyStats, SegmentWithKeys } from "../../src/schema/segment-meta.ts";
import { KeySharer } from "../../src/storage/catalog/shared-keys.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const columns = ["span.a"];
const stats = (changes: Partial<KeyStats> = {}): KeyStats => ({
  scope: "span",
  key: "a",
  type: "string",
  count: 1,
  distinct: 1,
  values: ["x"],
  complete: true,
  dedicated: true,
  ...changes,
});

/** Segments as one catalog has them. */
function aCatalog(): (keys: readonly KeyStats[], columns: readonly string[]) => SegmentWithKeys {
  const sharer = new KeySharer();
  return (some, optionalColumns) => {
    const { keys, same } = sharer.share(some);
    return { ...aSegmentMeta(), keys, sameKeys: same, optionalColumns };
  };
}

test("segments with the same keys and columns share what was found, others do not", () => {
  const segment = aCatalog();
  const per = new PerKeys<object>();
  const of = (meta: SegmentWithKeys) => per.get(meta, () => ({}));
  const first = of(segment([stats()], columns));
  expect(of(segment([stats({ count: 9, values: ["y"] })], columns))).toBe(first);
  expect(of(segment([stats({ key: "b" })], columns))).not.toBe(first);
  expect(of(segment([stats()], ["span.b"]))).not.toBe(first);
  // Still known, after what differs in one of the two.
  expect(of(segment([stats()], columns))).toBe(first);
});

test("what is found may be nothing, and is not looked for again", () => {
  const segment = aCatalog();
  const per = new PerKeys<void>();
  let looks = 0;
  for (let i = 0; i < 3; i++) per.get(segment([stats()], columns), () => void looks++);
  expect(looks).toBe(1);
});

test("a segment of which nothing is known is looked at itself", () => {
  const per = new PerKeys<object>();
  const meta = { ...aSegmentMeta(), keys: [stats()] };
  expect(per.get(meta, () => ({}))).not.toBe(per.get(meta, () => ({})));
});

test("of segments whose keys were never read it is known once they are", () => {
  const segment = aCatalog();
  const per = new PerKeys<object>();
  let looks = 0;
  const of = (meta: SegmentWithKeys) => per.get(meta, ({ keys }) => ({ look: ++looks, keys }));
  const unread = (): SegmentWithKeys => {
    const { keys, sameKeys } = segment([stats()], columns);
    let isRead = false;
    return {
      ...aSegmentMeta({ optionalColumns: columns }),
      get keys() {
        isRead = true;
        return keys;
      },
      get sameKeys() {
        return isRead ? sameKeys : undefined;
      },
    };
  };
  const first = unread();
  expect(of(first)).toMatchObject({ look: 1 });
  const second = unread();
  expect(of(second)).toMatchObject({ look: 2 });
  expect(of(second)).toBe(of(first));
  expect(looks).toBe(2);
});

test("few are remembered", () => {
  const segment = aCatalog();
  const per = new PerKeys<object>();
  const of = (key: string) => per.get(segment([stats({ key })], columns), () => ({}));
  const first = of("0");
  for (let n = 1; n < 100; n++) of(`${n}`);
  expect(of("0")).not.toBe(first);
  expect(of("99")).toBe(of("99"));
});
