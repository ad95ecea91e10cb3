import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compileTagFilter } from "../../src/query/compile-tag-filter.ts";
import { legacyTagSource } from "../../src/query/tag-field.ts";
import type { TagFilter } from "../../src/query/tag-filter.ts";
import { tagValues } from "../../src/query/tag-values.ts";
import { aSpan, attribute, type SimpleValue } from "../support/otlp-builder.ts";
import { SegmentStore } from "./segment-store.ts";

const TAG = "http.route";
/** What the catalog says, so that each segment is many rows to whoever reads some of them first. */
const MANY_ROWS = 500_000;

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(() => store.close());

const RULES = { maxQueryBytes: 1000, maxConditionGroups: 10 };

type Routes = Readonly<Record<string, readonly SimpleValue[]>>;

/** Segments of spans that have these values of the tag, by service; the last is the newest. */
function add(...segments: readonly Routes[]): Promise<void> {
  return addOf(MANY_ROWS, segments);
}

async function addOf(rowCount: number, segments: readonly Routes[]): Promise<void> {
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
    store.segments[i] = { ...meta, rowCount };
  });
}

function valuesOf(service: string, limit = 0): Promise<string[]> {
  const { filter } = compileTagFilter(`{ resource.service.name = "${service}" }`, undefined, RULES);
  return valuesOfThose(filter, limit);
}

async function valuesOfThose(filter: TagFilter | undefined, limit = 0): Promise<string[]> {
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
    store.forgetServices();
    expect(await valuesOf("a")).toEqual(["string /x", "string /y"]);
    expect(filesRead()).toBe(1);
  });

  test("are looked for in few small segments first, then in more", async () => {
    const common = { a: ["/x"], b: ["/x"] };
    await addOf(10_000, [{ a: ["/y"], b: ["/x"] }, ...Array.from({ length: 11 }, () => common)]);
    store.forgetServices();
    expect(await valuesOf("b")).toEqual(["string /x"]);
    // The oldest has one that is none of its own, so that all are read.
    expect(filesRead()).toBe(12);
    store.statements.length = 0;
    store.segments.splice(0, 1);
    expect(await valuesOf("b")).toEqual(["string /x"]);
    expect(filesRead()).toBe(4);
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

describe("values of a tag of some services", () => {
  const mixed: Routes[] = [
    { a: ["/x"], b: ["/other"], c: ["/c"] },
    { a: ["/x", "/y", 7n], b: ["/other", "/x"] },
    { b: ["/x"], c: ["/c", "/d"] },
  ];

  test("come from the catalog where the filter asks for nothing else", async () => {
    await add(...mixed);
    expect((await valuesOf("a")).sort()).toEqual(["int 7", "string /x", "string /y"]);
    expect(await valuesOf("nobody")).toEqual([]);
    const { filter } = compileTagFilter(
      `{ resource.service.name = "b" || resource.service.name = "c" }`,
      undefined,
      RULES,
    );
    expect(await valuesOfThose(filter)).toEqual([
      "string /c",
      "string /d",
      "string /other",
      "string /x",
    ]);
    expect(store.statements).toEqual([]);
  });

  test("are the only ones looked for where it asks for more", async () => {
    await add(...mixed, ...mixed, { a: ["/x", "/y"], b: ["/z"] });
    const text = `{ resource.service.name = "a" && span:name != "none" }`;
    const { filter } = compileTagFilter(text, undefined, RULES);
    store.segments.splice(0, store.segments.length - 1);
    await add(...Array.from({ length: 8 }, () => ({ a: ["/x", "/y"], b: ["/z"] })));
    expect(await valuesOfThose(filter)).toEqual(["string /x", "string /y"]);
    expect(filesRead()).toBe(1);
  });

  test("tell what was read", async () => {
    await add(...mixed);
    const request = {
      ...{ tenants: ["single-tenant"], source: legacyTagSource(TAG), range: undefined },
      ...{ limit: 0, maxBytes: 0, cost: () => [] },
    };
    const filterOf = (text: string) => compileTagFilter(text, undefined, RULES).filter;
    const ask = async (filter: TagFilter | undefined) =>
      (await tagValues(store.engine(), { ...request, filter })).stats.inspectedBytes;
    expect(await ask(filterOf(`{ resource.service.name = "a" }`))).toBe(0);
    expect(await ask(filterOf(`{ span:name != "none" }`))).toBeGreaterThan(0);
  });
});

describe("values of a tag without a filter", () => {
  test("come from the catalog, also of segments that list the same", async () => {
    await add({ a: ["/x"] }, { a: ["/x", "/y"] }, { b: ["/x"] }, { b: ["/z", "/x"] });
    expect(await valuesOfThose(undefined)).toEqual(["string /x", "string /y", "string /z"]);
    expect(store.statements).toEqual([]);
  });

  test("of the same texts but other types are told apart", async () => {
    await add({ a: ["7"] }, { a: [7n] }, { a: ["7", 7n] }, { a: ["8"] }, { a: [8n, true] });
    expect(await valuesOfThose(undefined)).toEqual([
      "int 7",
      "string 7",
      "int 8",
      "string 8",
      "bool true",
    ]);
    expect(store.statements).toEqual([]);
  });

  test("of more lists than are remembered are all there", async () => {
    await add({ a: ["/first"] });
    const [first] = store.segments;
    const stats = first!.keys.find(({ key }) => key === TAG)!;
    // A segment each, as the catalog describes it; none is read.
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 600; n++) {
        const keys = first!.keys.map((one) =>
          one === stats ? { ...one, values: [`/${n}`] } : one,
        );
        store.segments.push({ ...first!, id: `${first!.id}-${round}-${n}`, keys });
      }
    }
    expect(await valuesOfThose(undefined)).toHaveLength(601);
    expect(store.statements).toEqual([]);
  });
});
