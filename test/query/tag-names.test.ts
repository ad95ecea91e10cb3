import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { compileTagFilter } from "../../src/query/compile-tag-filter.ts";
import { tagNames } from "../../src/query/tag-names.ts";
import { TAG_SCOPES, type TagScope } from "../../src/query/tag-scopes.ts";
import { aSpan, attribute, type SimpleValue } from "../support/otlp-builder.ts";
import { SegmentStore } from "./segment-store.ts";

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(() => store.close());

/** Spans that are alike: their service, and their attributes by scope. */
type Spans = {
  readonly service: string;
  /** Those that are on many have columns of their own. */
  readonly times?: number;
  readonly attributes: Partial<Record<TagScope, Readonly<Record<string, SimpleValue>>>>;
};

/** Segments of these spans; the last is the newest. */
async function add(...segments: readonly (readonly Spans[])[]): Promise<void> {
  for (const [i, spans] of segments.entries()) {
    const start = 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000_000n;
    const of = (attributes: Readonly<Record<string, SimpleValue>> = {}) =>
      Object.entries(attributes).map(([key, value]) => attribute(key, value));
    const requests = spans.map(({ service, times = 1, attributes }) => {
      const { event, link } = attributes;
      const span = aSpan({
        startTimeUnixNano: start,
        endTimeUnixNano: start,
        attributes: of(attributes.span),
        events: event === undefined ? [] : [{ name: "e", attributes: of(event) }],
        links: link === undefined ? [] : [{ attributes: of(link) }],
      });
      const own = service === "" ? [] : [attribute("service.name", service)];
      const resource = { attributes: [...own, ...of(attributes.resource)] };
      const scope = { name: "lib", attributes: of(attributes.instrumentation) };
      return {
        resourceSpans: [{ resource, scopeSpans: [{ scope, spans: Array(times).fill(span) }] }],
      };
    });
    await store.add(requests);
  }
}

let inspectedBytes = 0;

async function namesOf(
  service: string,
  scopes: readonly TagScope[] = TAG_SCOPES,
): Promise<Partial<Record<TagScope, readonly string[]>>> {
  const { filter } = compileTagFilter(`{ resource.service.name = "${service}" }`, undefined, {
    maxQueryBytes: 1000,
    maxConditionGroups: 10,
  });
  const { names, stats } = await tagNames(store.engine(), {
    ...{ tenants: ["single-tenant"], scopes, filter, range: undefined },
    ...{ limitPerScope: 0, maxBytes: 0 },
  });
  inspectedBytes = stats.inspectedBytes;
  return Object.fromEntries(names);
}

/** As if each segment were many rows, to whoever reads some of them first. */
function withManyRows(): void {
  store.segments.forEach((meta, i) => {
    store.segments[i] = { ...meta, rowCount: 500_000 };
  });
}

function filesRead(): number {
  return store.statements.join("\n").split(".parquet").length - 1;
}

describe("names without a filter", () => {
  test("come from the statistics of one of the segments that have the same keys", async () => {
    const one = { service: "a", attributes: { span: { s: "x" }, event: { e: "x" } } };
    const same = { service: "b", attributes: { span: { s: "y" }, event: { e: "z" } } };
    const other = { service: "b", attributes: { span: { s: "y" }, link: { l: "z" } } };
    const another = { service: "b", attributes: { span: { s: 1n, n: 1n } } };
    await add([one], [same, same], [one], [other], [other], [another]);
    const { sameKeys: _, ...unread } = store.segments[5]!;
    store.segments[5] = unread;
    const engine = store.engine();
    const loadKeys = vi.spyOn(engine.context.catalog, "loadKeys");
    const { names, stats } = await tagNames(engine, {
      ...{ tenants: ["single-tenant"], scopes: TAG_SCOPES, filter: undefined, range: undefined },
      ...{ limitPerScope: 0, maxBytes: 0 },
    });
    expect(Object.fromEntries(names)).toEqual({
      resource: ["service.name"],
      span: ["n", "s"],
      event: ["e"],
      link: ["l"],
    });
    expect(stats.segmentCount).toBe(6);
    expect(loadKeys.mock.calls.map(([some]) => some.length)).toEqual([3]);
    expect(store.statements).toEqual([]);
  });
});

describe("names of spans that pass a filter", () => {
  const all = {
    span: { s: "x", n: 1n },
    resource: { r: true },
    event: { e: "x" },
    link: { l: 1.5 },
    instrumentation: { i: "x" },
  };

  test("are not looked for any further when all that are known are found", async () => {
    const both = [
      { service: "a", attributes: all },
      { service: "b", attributes: all },
    ];
    await add(both, both, both, both, both);
    withManyRows();
    store.forgetServices();
    expect(await namesOf("a")).toEqual({
      resource: ["r", "service.name"],
      span: ["n", "s"],
      event: ["e"],
      link: ["l"],
      instrumentation: ["i"],
    });
    const [newest] = store.segments.toReversed();
    expect(inspectedBytes).toBe(newest!.byteSize);
    expect(filesRead()).toBe(store.statements.length);
    expect(store.statements.every((sql) => sql.includes(newest!.id))).toBe(true);
  });

  test("that others have alone are looked for everywhere, and nothing else is", async () => {
    const ownKeys = {
      service: "a",
      times: 25,
      attributes: { span: { s: "x" }, event: { e: "x" } },
    };
    const others = { service: "b", times: 25, attributes: { span: { s: "x", other: "x" } } };
    await add([ownKeys, others], [ownKeys, others], [ownKeys, others]);
    withManyRows();
    store.forgetServices();
    expect(await namesOf("a")).toEqual({
      resource: ["service.name"],
      span: ["s"],
      event: ["e"],
    });
    const [oldest] = store.segments;
    const later = store.statements.filter((sql) => sql.includes(oldest!.id));
    expect(later).toHaveLength(1);
    expect(later[0]).toMatch(/^SELECT count\("span.other"\) > 0 FROM/);
  });

  test("are found wherever they are", async () => {
    await add(
      [{ service: "a", attributes: { link: { old: "x" } } }],
      [{ service: "b", attributes: { span: { key: "x" }, resource: { "b only": 1n } } }],
      [{ service: "a", attributes: { span: { key: 1n } } }],
      [{ service: "b", attributes: all }],
      [{ service: "", attributes: { resource: { "service.name": "" }, event: { none: 1n } } }],
    );
    withManyRows();
    expect(await namesOf("a")).toEqual({
      resource: ["service.name"],
      span: ["key"],
      link: ["old"],
    });
    expect(await namesOf("b")).toMatchObject({ resource: ["b only", "r", "service.name"] });
    expect(await namesOf("c")).toEqual({});
  });

  test("come from the catalog where it asks for services alone", async () => {
    const own = { service: "a", attributes: { span: { s: "x" }, event: { e: "x" } } };
    const others = { service: "b", attributes: { ...all, span: { s: "x", other: "x" } } };
    await add([own, others], [others], [own, others]);
    expect(await namesOf("a")).toEqual({
      resource: ["service.name"],
      span: ["s"],
      event: ["e"],
    });
    expect(store.statements).toEqual([]);
    expect(inspectedBytes).toBe(0);
  });

  test("of other scopes are not looked for", async () => {
    await add([{ service: "a", attributes: all }]);
    store.forgetServices();
    expect(await namesOf("a", ["link"])).toEqual({ link: ["l"] });
    expect(store.statements).toHaveLength(1);
    expect(store.statements[0]).not.toContain("count(");
  });

  const value = fc.constantFrom<SimpleValue>("x", "", 1n, 2.5, false);
  const some = fc.dictionary(fc.constantFrom("k1", "k2", "k3", "k4"), value, { maxKeys: 3 });
  const span = fc.record({
    service: fc.constantFrom("a", "b"),
    times: fc.constantFrom(1, 20),
    attributes: fc.record(
      { resource: some, span: some, event: some, link: some, instrumentation: some },
      { requiredKeys: [] },
    ),
  });
  const segments = fc.array(fc.array(span, { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 6,
  });

  test("are those that a look at every span finds", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(segments, async (data) => {
        store.clear();
        await add(...data);
        withManyRows();
        const expected: Partial<Record<TagScope, string[]>> = {};
        for (const scope of TAG_SCOPES) {
          const names = new Set<string>();
          for (const { service, attributes } of data.flat()) {
            if (service !== "a") continue;
            if (scope === "resource") names.add("service.name");
            for (const key of Object.keys(attributes[scope] ?? {})) names.add(key);
          }
          if (names.size > 0) expected[scope] = [...names].sort();
        }
        expect(await namesOf("a")).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });
});
