import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { Catalog } from "../../../src/storage/catalog/catalog.ts";
import type { Redaction } from "../../../src/storage/catalog/redaction.ts";
import { buildTraceFilter } from "../../../src/storage/segments/trace-filter.ts";
import { hexToBytes } from "../../../src/util/hex.ts";
import { wholeSegments } from "../../support/loaded-segments.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

export type CatalogUnderTest = {
  readonly catalog: Catalog;
  /** Closes and opens again; the memory catalog has nothing to open. */
  readonly reopen: () => Promise<CatalogUnderTest>;
};

/** What every catalog must do. `open` makes an empty one that asks `nowMs` for the time. */
export function catalogContract(
  name: string,
  open: (nowMs: () => number) => Promise<CatalogUnderTest>,
): void {
  describe(name, () => {
    let nowMs = 1000;
    let under: CatalogUnderTest;
    beforeEach(async () => {
      nowMs = 1000;
      under = await open(() => nowMs);
      return async () => under.catalog[Symbol.asyncDispose]();
    });

    test("starts empty", () => {
      expect(under.catalog.tenants()).toEqual([]);
      expect(under.catalog.segments("acme")).toEqual([]);
      expect(under.catalog.segment("x")).toBeUndefined();
      expect(under.catalog.walPositions()).toEqual({ cutTo: 0, releasedTo: 0 });
      expect(under.catalog.deletable(0)).toEqual([]);
    });

    test("gives segments back as they were, also after a restart", async () => {
      const a = aSegmentMeta();
      const b = aSegmentMeta({ id: "b", tenant: "other's", walRange: undefined, keys: [] });
      const extremes = aSegmentMeta({
        id: "c",
        replaces: ["x", "y"],
        minTraceStart: -(2n ** 63n),
        maxTraceStart: 2n ** 63n - 1n,
        rowGroups: [],
        optionalColumns: [],
        traceFilter: new Uint8Array(0),
      });
      await under.catalog.commit({ add: [a, b, extremes], cutTo: 2 ** 52, releasedTo: 7 });
      const check = async (catalog: Catalog) => {
        expect(await wholeSegments(catalog, catalog.segments("acme"))).toEqual([extremes, a]);
        expect(await wholeSegments(catalog, catalog.segments("other's"))).toEqual([b]);
        expect(catalog.segment("b")).toBe(catalog.segments("other's")[0]);
        expect(catalog.tenants()).toEqual(["acme", "other's"]);
        expect(catalog.walPositions()).toEqual({ cutTo: 2 ** 52, releasedTo: 7 });
      };
      await check(under.catalog);
      under = await under.reopen();
      await check(under.catalog);
    });

    test("lists the newest trace start first, ties by id descending", async () => {
      const at = (id: string, maxTraceStart: bigint) => aSegmentMeta({ id, maxTraceStart });
      await under.catalog.commit({ add: [at("b", 5n), at("d", 9n), at("a", 5n)] });
      await under.catalog.commit({ add: [at("c", 5n)] });
      const ids = () => under.catalog.segments("acme").map(({ id }) => id);
      expect(ids()).toEqual(["d", "c", "b", "a"]);
      under = await under.reopen();
      expect(ids()).toEqual(["d", "c", "b", "a"]);
    });

    test("swaps segments in one step, and keeps removed ones for the grace period", async () => {
      const old = ["a", "b"].map((id) => aSegmentMeta({ id, level: 0 }));
      await under.catalog.commit({ add: old });
      const before = under.catalog.segments("acme");
      nowMs = 2000;
      await under.catalog.commit({ add: [aSegmentMeta({ id: "c" })], remove: ["a", "b"] });
      expect(before.map(({ id }) => id)).toEqual(["b", "a"]);
      using loaded = await under.catalog.loadKeys(before);
      expect(loaded.segments.map(({ keys }) => keys)).toEqual(old.map(({ keys }) => keys));
      expect(under.catalog.segments("acme").map(({ id }) => id)).toEqual(["c"]);
      under = await under.reopen();
      nowMs = 2999;
      expect(under.catalog.deletable(1000)).toEqual([]);
      nowMs = 3000;
      expect(ids(under.catalog.deletable(1000))).toEqual(["a acme", "b acme"]);
      await under.catalog.forget(["a", "unknown"]);
      expect(ids(under.catalog.deletable(1000))).toEqual(["b acme"]);
      under = await under.reopen();
      expect(ids(under.catalog.deletable(1000))).toEqual(["b acme"]);
    });

    test("a repeated commit changes nothing, and unknown ids are skipped", async () => {
      const change = { add: [aSegmentMeta({ id: "a" })], remove: ["nobody"], cutTo: 5 };
      await under.catalog.commit(change);
      await under.catalog.commit(change);
      expect(under.catalog.segments("acme").map(({ id }) => id)).toEqual(["a"]);
      expect(under.catalog.deletable(0)).toEqual([]);
      under = await under.reopen();
      expect(under.catalog.segments("acme")).toHaveLength(1);
    });

    test("a tenant without segments is not listed", async () => {
      await under.catalog.commit({ add: [aSegmentMeta({ id: "a" })] });
      await under.catalog.commit({ remove: ["a"] });
      expect(under.catalog.tenants()).toEqual([]);
    });

    test("concurrent commits all take effect", async () => {
      const ids = Array.from({ length: 20 }, (_, i) => `s${i}`);
      await Promise.all(ids.map((id) => under.catalog.commit({ add: [aSegmentMeta({ id })] })));
      expect(under.catalog.segments("acme")).toHaveLength(20);
    });

    test("remembers which segments the bucket has, and passes over those that are gone", async () => {
      const object = { version: '"etag\'s"' };
      const whole = aSegmentMeta({ id: "b", object, retentionClass: "errors" });
      await under.catalog.commit({ add: [aSegmentMeta({ id: "a" }), whole] });
      await under.catalog.commit({
        stored: [
          { id: "a", object },
          { id: "gone", object },
        ],
      });
      const check = async () => {
        const two = ["a", "b"].flatMap((id) => under.catalog.segment(id) ?? []);
        const expected = [aSegmentMeta({ id: "a", object }), whole];
        expect(await wholeSegments(under.catalog, two)).toEqual(expected);
        expect(under.catalog.segment("gone")).toBeUndefined();
      };
      await check();
      under = await under.reopen();
      await check();
    });

    test("a redaction hides its traces in segments that may hold them until it is done", async () => {
      const [x, y] = ["ab".repeat(16), "cd".repeat(16)] as const;
      const redaction = aRedaction({ traceIds: [x] });
      const has = (id: string, hex: string) =>
        aSegmentMeta({ id, traceFilter: buildTraceFilter(hexToBytes(hex), 1) });
      const hidden = (id: string) => under.catalog.segment(id)?.hiddenTraces;
      await under.catalog.commit({ add: [has("1", x), has("2", y)] });
      const before = under.catalog.segment("1");
      await under.catalog.commit({ redactions: [redaction] });
      await under.catalog.commit({
        add: [has("3", x), has("4", y), { ...has("5", x), tenant: "t" }],
      });
      const check = () => {
        expect(["1", "2", "3", "4", "5"].map(hidden)).toEqual([
          [x],
          undefined,
          [x],
          undefined,
          undefined,
        ]);
        expect(under.catalog.redactions()).toEqual([redaction]);
      };
      check();
      expect(before?.hiddenTraces).toBeUndefined();
      under = await under.reopen();
      check();
      await under.catalog.commit({ stored: [{ id: "1", object: { version: "v" } }] });
      expect(hidden("1")).toEqual([x]);
      const done = aRedaction({ traceIds: [], state: "done", doneUnixMs: 9, removedSpans: 3 });
      await under.catalog.commit({ redactions: [done, aRedaction({ id: "2", traceIds: [y] })] });
      expect(["1", "2", "3", "4"].map(hidden)).toEqual([undefined, [y], undefined, [y]]);
      expect(under.catalog.segment("1")?.object).toEqual({ version: "v" });
      under = await under.reopen();
      expect(under.catalog.redactions().map(({ state }) => state)).toEqual(["done", "hiding"]);
      expect(["1", "2", "3", "4"].map(hidden)).toEqual([undefined, [y], undefined, [y]]);
    });

    test("behaves like the simplest catalog under any sequence of commits", async () => {
      const id = fc.constantFrom("a", "b", "c", "d", "e", "f");
      const change = fc.record({
        add: fc.array(
          fc.record({ id, tenant: fc.constantFrom("t1", "t2"), maxTraceStart: fc.bigInt(0n, 3n) }),
          { maxLength: 3 },
        ),
        remove: fc.array(id, { maxLength: 3 }),
        cutTo: fc.option(fc.nat(), { nil: undefined }),
        forget: fc.array(id, { maxLength: 1 }),
        reopen: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
          let real = await open(() => nowMs);
          const model = new MemoryCatalog(() => nowMs);
          for (const { add, forget, reopen, ...rest } of changes) {
            const taken = new Set(rest.remove);
            const fresh = add.filter((one) => !taken.has(one.id)).map(aSegmentMeta);
            for (const catalog of [real.catalog, model]) {
              await catalog.commit({ ...rest, add: fresh });
              await catalog.forget(forget);
            }
            if (reopen) real = await real.reopen();
            for (const tenant of ["t1", "t2"]) {
              const segments = await wholeSegments(real.catalog, real.catalog.segments(tenant));
              expect(segments).toEqual(model.segments(tenant));
            }
            expect(ids(real.catalog.deletable(0))).toEqual(ids(model.deletable(0)));
            expect(real.catalog.walPositions()).toEqual(model.walPositions());
            expect(real.catalog.tenants()).toEqual(model.tenants());
          }
          await real.catalog[Symbol.asyncDispose]();
        }),
        { numRuns: 15 },
      );
    }, 60_000);
  });
}

function aRedaction(changes: Partial<Redaction>): Redaction {
  return {
    id: "1",
    tenant: "acme",
    query: '{ span.user = "it\'s" }',
    requestedBy: "someone",
    reason: "asked to",
    createdUnixMs: 5,
    traceCount: 1,
    spanCount: 3,
    traceIds: [],
    state: "hiding",
    doneUnixMs: undefined,
    removedSpans: 0,
    ...changes,
  };
}

function ids(removed: readonly { id: string; tenant: string }[]): string[] {
  return removed.map(({ id, tenant }) => `${id} ${tenant}`).sort();
}
