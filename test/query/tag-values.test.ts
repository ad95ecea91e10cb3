import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compileTagFilter } from "../../src/query/compile-tag-filter.ts";
import { legacyTagSource } from "../../src/query/tag-field.ts";
import { tagValues } from "../../src/query/tag-values.ts";
import { aSpan, attribute, type SimpleValue } from "../support/otlp-builder.ts";
import { SegmentStore } from "./segment-store.ts";

const TAG = "http.route";
/** What the catalog says, so that each segment is many rows to whoever reads some of them first. */
const ROWS = 500_000;

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(() => store.close());

type Routes = Readonly<Record<string, readonly SimpleValue[]>>;

/** Segments of spans that have these values of the tag, by service; the last is the newest. */
async function add(...segments: readonly Routes[]): Promise<void> {
  for (const [i, routes] of segments.entries()) {
    const start = 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000_000n;
    const requests = Object.entries(routes).map(([service, values]) => {
      const spans = values.map((value) =>
        aSpan({
          startTimeUnixNano: start,
          endTimeUnixNano: start,
          attributes: [attribute(TAG, value)],
        }),
      );
      const resource = { attributes: [attribute("service.name", service)] };
      return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans }] }] };
    });
    await store.add(requests);
  }
  store.segments.forEach((meta, i) => {
    store.segments[i] = { ...meta, rowCount: ROWS };
  });
}

async function valuesOf(service: string, limit = 0): Promise<string[]> {
  const { filter } = compileTagFilter(`{ resource.service.name = "${service}" }`, undefined, {
    maxQueryBytes: 1000,
    maxConditionGroups: 10,
  });
  const { values } = await tagValues(store.engine(), {
    ...{ tenants: ["single-tenant"], source: legacyTagSource(TAG), filter, range: undefined },
    ...{ limit, maxBytes: 0, cost: () => [] },
  });
  return values.map(({ type, value }) => `${type} ${value}`);
}

function filesRead(): number {
  return store.statements.join("\n").split(".parquet").length - 1;
}

describe("values of a tag with a filter", () => {
  test("are not looked for any further when all that are known are found", async () => {
    const both = { a: ["/x", "/y"], b: ["/x"] };
    await add(both, both, both, both, both, both);
    expect(await valuesOf("a")).toEqual(["string /x", "string /y"]);
    expect(filesRead()).toBe(1);
  });

  test("are found wherever they are, and those of others are not shown", async () => {
    await add(
      { a: ["/old"], b: ["/other"] },
      { a: ["/x"], b: ["/other"] },
      { a: ["/x"], b: ["/old"] },
      { b: ["/x"], a: ["/y"] },
      { a: ["/x", 7n, 7], b: ["/x", 8n] },
      { a: ["/x"], b: ["/other"] },
    );
    const all = ["string /old", "string /x", "string /y"];
    expect((await valuesOf("a")).filter((text) => text.startsWith("string"))).toEqual(all);
    expect((await valuesOf("a")).filter((text) => !text.startsWith("string")).length).toBe(2);
    expect(await valuesOf("b")).toContain("string /other");
    expect(await valuesOf("b")).not.toContain("string /y");
    expect(await valuesOf("a", 1)).toHaveLength(1);
  });

  test("are read of all segments that do not list theirs", async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `/r${String(i).padStart(4, "0")}`);
    await add({ a: many.slice(0, 1500) }, { a: many.slice(1500) }, { a: ["/x"] });
    expect(await valuesOf("a")).toHaveLength(3001);
  });
});
