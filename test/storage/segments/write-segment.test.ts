import { describe, expect, it } from "vitest";
import type { KeyStats } from "../../../src/schema/segment-meta.ts";
import { mayContain } from "../../../src/storage/segments/trace-filter.ts";
import {
  aResource,
  aScope,
  aService,
  aSpan,
  batchOf,
  spanIdOf,
  traceIdOf,
} from "../../support/batch-builder.ts";
import type { PlainAttribute, PlainSpan, PlainValue } from "../../support/read-batch.ts";
import { duckdbRows, expectedRows, hyparquetRows, withDuckDB, write } from "./stored-rows.ts";

const T0 = 1_767_225_600_000_000_000n;

/** `count` spans, ten to a trace, with what `over` says. */
function spansOf(count: number, over: (i: number) => Partial<PlainSpan>): PlainSpan[] {
  const scope = aScope({ name: "lib", version: "1" });
  const resource = aService("shop");
  return Array.from({ length: count }, (_, i) => {
    const trace = Math.floor(i / 10);
    return aSpan({
      traceId: traceIdOf(trace + 1),
      spanId: spanIdOf(i + 1),
      parentSpanId: i % 10 === 0 ? "" : spanIdOf(i - (i % 10) + 1),
      startUnixNano: T0 + BigInt(trace * 1000 + (i % 10)),
      endUnixNano: T0 + BigInt(trace * 1000 + 500),
      resource,
      scope,
      ...over(i),
    });
  });
}

async function query(file: Uint8Array, sql: (path: string) => string): Promise<unknown[][]> {
  return withDuckDB(file, async (connection, path) => {
    const reader = await connection.runAndReadAll(sql(path));
    return reader.getRowsJson();
  });
}

const key = (keys: readonly KeyStats[], scope: string, name: string, type = "string") =>
  keys.find((k) => k.scope === scope && k.key === name && k.type === type);

describe("writeSegment", () => {
  it("refuses an empty batch", () => {
    expect(() => write(batchOf([]))).toThrow("at least one span");
  });

  it("gives DuckDB exactly the documented types", async () => {
    const all: PlainAttribute[] = [
      { key: "s", value: "x" },
      { key: "i", value: 1n },
      { key: "d", value: 0.5 },
      { key: "b", value: true },
      { key: "j", value: { json: "{}" } },
    ];
    const spans = spansOf(40, (i) => ({
      attributes: i === 0 ? all.map((a) => ({ ...a, key: `rare.${a.key}` })) : all,
      scope: aScope({ attributes: all }),
      endUnixNano: i === 0 ? 2n ** 64n - 1n : T0,
      events: [{ timeUnixNano: T0, name: "e", attributes: all, droppedAttributes: 0 }],
      links: [
        { traceId: "", spanId: "", traceState: "", flags: 0, attributes: [], droppedAttributes: 0 },
      ],
    }));
    const { file, meta } = write(batchOf(spans));
    const described = await query(file, (path) => `DESCRIBE FROM '${path}'`);
    const types = new Map(described.map((row) => [row[0], row[1]]));
    const attributes =
      'STRUCT("key" VARCHAR, str VARCHAR, "int" BIGINT, "double" DOUBLE, bool BOOLEAN, "json" VARCHAR)[]';
    expect(meta.optionalColumns.map((name) => [name, types.get(name)])).toEqual([
      ["span.s", "VARCHAR"],
      ["span.i", "BIGINT"],
      ["span.d", "DOUBLE"],
      ["span.b", "BOOLEAN"],
      ["start_unix_nano", "UBIGINT"],
      ["end_unix_nano", "UBIGINT"],
      ["span_attr_str", "MAP(VARCHAR, VARCHAR)"],
      ["span_attr_bool", "MAP(VARCHAR, BOOLEAN)"],
      ["span_attr_int", "MAP(VARCHAR, BIGINT)"],
      ["span_attr_double", "MAP(VARCHAR, DOUBLE)"],
      ["span_attr_json", "MAP(VARCHAR, VARCHAR)"],
      ["scope_attr_str", "MAP(VARCHAR, VARCHAR)"],
      ["scope_attr_bool", "MAP(VARCHAR, BOOLEAN)"],
      ["scope_attr_int", "MAP(VARCHAR, BIGINT)"],
      ["scope_attr_double", "MAP(VARCHAR, DOUBLE)"],
      ["scope_attr_json", "MAP(VARCHAR, VARCHAR)"],
      [
        "events",
        `STRUCT(time_unix_nano UBIGINT, "name" VARCHAR, dropped_attributes_count UINTEGER, attributes ${attributes})[]`,
      ],
      [
        "links",
        `STRUCT(trace_id UUID, span_id UBIGINT, trace_state VARCHAR, flags UINTEGER, dropped_attributes_count UINTEGER, attributes ${attributes})[]`,
      ],
    ]);
    expect(types.get("trace_id")).toBe("UUID");
    expect(types.get("trace_start")).toBe("TIMESTAMP_NS");
    expect(types.get("flags")).toBe("UINTEGER");
    expect(types.get("span_id")).toBe("UBIGINT");
    expect(types.get("kind")).toBe("INTEGER");
  });

  it("compresses the chunks that become enough smaller by it", async () => {
    // Codes of 64 values in no order have nothing to be saved; the order of the second repeats.
    let state = 1;
    const next = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % 64;
    };
    const spans = spansOf(50_000, (i) => ({
      attributes: [
        { key: "mixed", value: `m${next()}` },
        { key: "ordered", value: `o${i % 64}` },
        { key: "long", value: `${i} ${"text ".repeat(12)}` },
      ],
    }));
    const batch = batchOf(spans);
    const segment = write(batch, { zstdLevel: 3 });
    const codecs = await query(
      segment.file,
      (path) => `SELECT path_in_schema, list_sort(list_distinct(list(compression)))
        FROM parquet_metadata('${path}')
        WHERE path_in_schema LIKE 'span.%' GROUP BY ALL ORDER BY 1`,
    );
    expect(codecs).toEqual([
      ["span.long", ["ZSTD"]],
      ["span.mixed", ["UNCOMPRESSED"]],
      ["span.ordered", ["ZSTD"]],
    ]);
    const expected = expectedRows(batch);
    expect(firstDifference(await duckdbRows(segment), expected)).toBeUndefined();
    expect(firstDifference(await hyparquetRows(segment), expected)).toBeUndefined();
  });

  it("compresses no chunk whose two pages become smaller by less than two kibibytes", async () => {
    let state = 1;
    const next = (values: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return Math.floor(values * (state / 2_147_483_647) ** 5);
    };
    const spans = spansOf(10_000, () => ({
      attributes: ["a", "b"].map((key) => ({
        key,
        value: `${key}${next(key === "a" ? 16 : 256)}`,
      })),
    }));
    const segment = write(batchOf(spans), { zstdLevel: 3 });
    const packed = await query(
      segment.file,
      (path) => `SELECT path_in_schema, compression FROM parquet_metadata('${path}')
        WHERE path_in_schema LIKE 'span.%' GROUP BY ALL ORDER BY 1`,
    );
    expect(packed).toEqual([
      // From 5 KiB to 3.5, which is a tenth, but not worth two pages; from 12 to 8.
      ["span.a", "UNCOMPRESSED"],
      ["span.b", "ZSTD"],
    ]);
  });

  it("holds several pages, values of every width and nulls among them", async () => {
    const spans = spansOf(21_000, (i) => ({
      name: `op ${i % 300}`,
      attributes: [
        { key: "unique", value: `${i}-${"u".repeat(i % 90)}` },
        { key: "many", value: BigInt(i * 7919) },
        { key: "ratio", value: (i % 5000) / 8 },
        { key: "flag", value: i % 3 === 0 },
        ...(i % 50 === 0 ? [{ key: "rare", value: `r${i % 700}` }] : []),
        ...(i % 2 === 0 ? [{ key: "half", value: BigInt(i % 1000) }] : []),
        ...(i % 1050 === 0 ? [{ key: `k${i}`, value: "overflow" }] : []),
      ],
      events:
        i % 9 === 0
          ? Array.from({ length: i % 4 }, (_, e) => ({
              timeUnixNano: T0 + BigInt(e),
              name: `event ${e}`,
              attributes: [{ key: "n", value: BigInt(e) }],
              droppedAttributes: 0,
            }))
          : [],
    }));
    const batch = batchOf(spans);
    const segment = write(batch);
    const expected = expectedRows(batch);
    expect(firstDifference(await duckdbRows(segment), expected)).toBeUndefined();
    expect(firstDifference(await hyparquetRows(segment), expected)).toBeUndefined();
    const filtered = await query(
      segment.file,
      (path) => `SELECT
        (SELECT count(*) FROM '${path}' WHERE name = 'op 17'),
        (SELECT count(*) FROM '${path}' WHERE "span.rare" = 'r50'),
        (SELECT count(*) FROM '${path}' WHERE "span.half" >= 990),
        (SELECT count(*) FROM '${path}' WHERE "span.unique" = '77-' || repeat('u', 77)),
        (SELECT count(*) FROM '${path}' WHERE trace_start = make_timestamp_ns(${T0 + 5000n})),
        (SELECT max("span.unique") FROM '${path}'), (SELECT max("span.many") FROM '${path}')`,
    );
    const of = (test: (i: number) => boolean) => String(spans.filter((_, i) => test(i)).length);
    expect(filtered[0]).toEqual([
      of((i) => i % 300 === 17),
      of((i) => i % 50 === 0 && i % 700 === 50),
      of((i) => i % 2 === 0 && i % 1000 >= 990),
      "1",
      "10",
      spans
        .map((s) => s.attributes[0]!.value as string)
        .sort()
        .at(-1),
      String(20_999 * 7919),
    ]);
  });

  it("makes row groups of equal size, newest first", () => {
    const { rowGroups, maxTraceStart } = write(batchOf(spansOf(600, () => ({}))), {
      rowGroupRows: 250,
    }).meta;
    expect(rowGroups.map((g) => g.rowCount)).toEqual([200, 200, 200]);
    expect(rowGroups[0]!.maxTraceStart).toBe(maxTraceStart);
    expect(rowGroups[0]!.minTraceStart).toBe(rowGroups[1]!.maxTraceStart + 1000n);
    expect(rowGroups[2]!.minTraceStart).toBe(T0);
  });

  it("splits only a trace that is longer than a row group", async () => {
    const spans = spansOf(100, (i) =>
      i < 70 ? { traceId: traceIdOf(999), startUnixNano: T0 } : {},
    );
    const { meta } = write(batchOf(spans), { rowGroupRows: 30 });
    expect(meta.rowGroups.map((g) => g.rowCount)).toEqual([30, 30, 30, 10]);
  });

  it("bounds a page of long values by bytes", async () => {
    const spans = spansOf(60, (i) => ({
      attributes: [{ key: "long", value: String(i).padStart(100_000, "x") }],
    }));
    const batch = batchOf(spans);
    const segment = write(batch);
    expect(firstDifference(await duckdbRows(segment), expectedRows(batch))).toBeUndefined();
  });

  it("takes a span with 10000 attributes and one with none", async () => {
    const attributes = Array.from({ length: 10_000 }, (_, i) => ({ key: `k${i}`, value: `v${i}` }));
    const batch = batchOf(spansOf(3, (i) => ({ attributes: i === 1 ? attributes : [] })));
    const segment = write(batch);
    expect(firstDifference(await duckdbRows(segment), expectedRows(batch))).toBeUndefined();
    expect(segment.meta.keys.filter((k) => k.scope === "span")).toHaveLength(10_000);
  });

  it("keeps a leading byte-order mark and NUL bytes", async () => {
    const { file } = write(batchOf([aSpan({ name: "\ufeffa\0" })]));
    const rows = await query(file, (path) => `SELECT hex(encode(name)) FROM '${path}'`);
    expect(rows).toEqual([["EFBBBF6100"]]);
  });

  it("compares strings by bytes in statistics, also when it shortens them", async () => {
    const names = [`${"é".repeat(40)}z`, `${"\u{10ffff}".repeat(30)}`, `${"a".repeat(80)}`, "B"];
    for (const name of names) {
      const { file } = write(batchOf(spansOf(12, (i) => ({ name: i === 5 ? name : "m" }))));
      const rows = await query(
        file,
        (path) => `SELECT count(*) FROM '${path}' WHERE name = '${name}'`,
      );
      expect(rows).toEqual([["1"]]);
      const metadata = await query(
        file,
        (path) => `SELECT stats_min_value <= 'm', coalesce(stats_max_value >= 'm', true),
          stats_min_value <= '${name}', coalesce(stats_max_value >= '${name}', true)
          FROM parquet_metadata('${path}') WHERE path_in_schema = 'name'`,
      );
      expect(metadata).toEqual([[true, true, true, true]]);
    }
  });
});

/** Says where two long lists differ; printing them whole would take forever. */
function firstDifference(actual: string[], expected: string[]): unknown {
  if (actual.length !== expected.length) return [actual.length, expected.length];
  const row = actual.findIndex((text, i) => text !== expected[i]);
  return row < 0 ? undefined : { row, actual: actual[row], expected: expected[row] };
}

describe("dedicated columns", () => {
  const optional = (spans: PlainSpan[]) => write(batchOf(spans)).meta.optionalColumns;
  const keyed = (name: string): PlainAttribute[] => [{ key: name, value: "v" }];

  it("are for keys on half a percent of the spans", () => {
    const on = (n: number) =>
      optional(spansOf(10_000, (i) => (i < n ? { attributes: keyed("k") } : {})));
    expect(on(50)).toContain("span.k");
    expect(on(49)).toEqual(["span_attr_str"]);
  });

  it("are for keys on 30 % of one service's spans", () => {
    const small = aService("small");
    const on = (n: number) =>
      optional(
        spansOf(20_000, (i) =>
          i < 100 ? { resource: small, attributes: i < n ? keyed("k") : [] } : {},
        ),
      );
    expect(on(30)).toContain("span.k");
    expect(on(29)).toEqual(["span_attr_str"]);
  });

  it("take the most frequent type, other types rest in the maps", () => {
    const { meta } = write(
      batchOf(spansOf(100, (i) => ({ attributes: [{ key: "k", value: i < 60 ? 1n : "one" }] }))),
    );
    expect(meta.optionalColumns).toEqual(["span.k", "span_attr_str"]);
    expect(key(meta.keys, "span", "k", "int")).toMatchObject({ count: 60, dedicated: true });
    expect(key(meta.keys, "span", "k")).toMatchObject({ count: 40, dedicated: false });
  });

  it("never differ by letter case only", () => {
    const attributes = [...keyed("Key"), ...keyed("key"), ...keyed("KEY")];
    const columns = optional(
      spansOf(100, (i) => ({ attributes: attributes.slice(0, i < 50 ? 3 : 1) })),
    );
    expect(columns).toEqual(["span.Key", "span_attr_str"]);
  });

  it.each([["a\nb"], [""], ["k".repeat(129)], ["x\u0085y"], ["del\x7f"]])(
    "are not for %j",
    (name) => {
      expect(optional(spansOf(100, () => ({ attributes: keyed(name) })))).toEqual([
        "span_attr_str",
      ]);
    },
  );

  it("are 128 at most, for the most frequent keys", () => {
    const columns = optional(
      spansOf(300, (i) => ({
        attributes: Array.from({ length: i < 30 ? 200 : 128 }, (_, k) => ({
          key: `k${k}`,
          value: true,
        })),
      })),
    );
    expect(columns).toHaveLength(129);
    expect(columns).toContain("span.k127");
    expect(columns).not.toContain("span.k128");
  });

  it("always hold resource keys, but service.name only when it is no string", async () => {
    const spans = [
      aSpan({ resource: aService("shop", [{ key: "host.name", value: "h" }]) }),
      aSpan({
        spanId: spanIdOf(2),
        resource: aResource({ attributes: [{ key: "service.name", value: "" }] }),
      }),
      aSpan({
        spanId: spanIdOf(3),
        resource: aResource({ attributes: [{ key: "service.name", value: 5n }] }),
      }),
      aSpan({ spanId: spanIdOf(4) }),
    ];
    const { file, meta } = write(batchOf(spans));
    expect([...meta.optionalColumns].sort()).toEqual([
      "resource.host.name",
      "resource.service.name",
      "resource_attr_str",
    ]);
    const rows = await query(
      file,
      (path) => `SELECT service_name, "resource.host.name", "resource.service.name",
        resource_attr_str['service.name'] FROM '${path}' ORDER BY span_id`,
    );
    expect(rows).toEqual([
      ["shop", "h", null, null],
      ["", null, null, ""],
      ["", null, "5", null],
      ["", null, null, null],
    ]);
    expect(key(meta.keys, "resource", "service.name")).toMatchObject({
      count: 2,
      distinct: 2,
      values: ["shop", ""],
    });
  });
});

describe("the segment's description", () => {
  it("counts values of every key, the most frequent first", () => {
    const shop = aService("shop");
    const pay = aService("pay", [{ key: "zone", value: "z1" }]);
    const spans = spansOf(100, (i) => ({
      kind: i % 4 === 0 ? 3 : 1,
      status: 2,
      resource: i < 30 ? pay : shop,
      attributes: [
        { key: "code", value: i < 70 ? 200n : 500n },
        { key: "code", value: i < 70 ? 200n : -5n },
        { key: "ratio", value: i === 0 ? -0 : 1e21 },
        { key: "id", value: `id-${i}` },
        { key: "tags", value: { json: "{}" } },
      ],
      events: [
        {
          timeUnixNano: T0,
          name: "exception",
          attributes: [{ key: "t", value: "E" }],
          droppedAttributes: 0,
        },
      ],
    }));
    const { meta } = write(batchOf(spans));
    const stats = (scope: string, name: string, type?: string) => key(meta.keys, scope, name, type);
    expect(stats("span", "code", "int")).toEqual({
      scope: "span",
      key: "code",
      type: "int",
      count: 100,
      distinct: 2,
      values: ["200", "-5"],
      complete: true,
      // Both services have the first, the other is the shop's alone.
      services: ["3", "2"],
      keyServices: "3",
      dedicated: true,
    });
    expect(stats("span", "ratio", "double")?.values).toEqual(["1e+21", "-0"]);
    expect(stats("span", "id")).toMatchObject({ distinct: 100, complete: false });
    expect(stats("span", "id")?.values).toHaveLength(64);
    expect(stats("span", "tags", "json")).toMatchObject({ count: 100, dedicated: false });
    expect(stats("resource", "zone")).toMatchObject({
      count: 30,
      values: ["z1"],
      services: ["1"],
      keyServices: "1",
    });
    expect(stats("resource", "service.name")).toMatchObject({
      count: 100,
      values: ["shop", "pay"],
    });
    expect(stats("intrinsic", "service_name")).toMatchObject({ values: ["shop", "pay"] });
    expect(stats("intrinsic", "name")).toMatchObject({ values: ["op"], services: ["3"] });
    for (const [scope, name] of [
      ["span", "id"],
      ["intrinsic", "service_name"],
      ["intrinsic", "root_span_name"],
    ] as const) {
      expect(stats(scope, name)?.services, name).toBeUndefined();
    }
    expect(stats("intrinsic", "kind", "int")?.values).toEqual(["1", "3"]);
    expect(stats("intrinsic", "status", "int")).toMatchObject({ values: ["2"], complete: true });
    expect(stats("intrinsic", "event:name")).toMatchObject({ count: 100, values: ["exception"] });
    expect(stats("intrinsic", "root_span_name")).toMatchObject({ count: 100, values: ["op"] });
    expect(stats("event", "t")).toMatchObject({
      ...{ count: 100, values: ["E"], dedicated: false },
      ...{ services: ["3"], keyServices: "3" },
    });
    expect(stats("span", "id")?.keyServices).toBe("3");
  });

  it("takes no service of a resource without spans for one of its values", () => {
    const zone = (value: PlainValue): PlainAttribute[] => [
      { key: "zone", value },
      { key: "number", value: 7n },
    ];
    const resources = [
      aService("front"),
      aService("shop", zone("z1")),
      // Of no service that is listed, which has the first one's number then.
      aService("ghost", zone("z1")),
    ];
    const batch = batchOf(spansOf(30, (i) => ({ resource: resources[i % 3]! })));
    for (let i = 2; i < 30; i += 3) batch.resource[i] = batch.resource[1]!;
    const { keys } = write(batch).meta;
    expect(key(keys, "intrinsic", "service_name")?.values).toEqual(["shop", "front"]);
    for (const [name, type] of [
      ["zone", "string"],
      ["number", "int"],
    ] as const) {
      expect(key(keys, "resource", name, type)).toMatchObject({
        ...{ count: 20, services: ["2"], keyServices: "2" },
      });
    }
  });

  it("gives bounds, counts and a filter that knows the traces", () => {
    const { meta } = write(batchOf(spansOf(100, () => ({}))));
    expect(meta).toMatchObject({
      formatVersion: 1,
      rowCount: 100,
      traceCount: 10,
      minTraceStart: T0,
      maxTraceStart: T0 + 9000n,
      maxEnd: T0 + 9500n,
      walRange: { from: 10, to: 20 },
    });
    const id = new Uint8Array(16);
    id[15] = 10;
    expect(mayContain(meta.traceFilter, id)).toBe(true);
  });

  it("takes a span that ends before it starts for an instant in the latest end", () => {
    const { meta } = write(
      batchOf([
        aSpan({ startUnixNano: T0, endUnixNano: T0 + 10n }),
        aSpan({ startUnixNano: T0 + 1000n, endUnixNano: T0 + 5n }),
      ]),
    );
    expect(meta).toMatchObject({ traceCount: 1, maxEnd: T0 + 1000n });
  });

  it("clamps times that TIMESTAMP_NS cannot show", () => {
    const { meta } = write(
      batchOf([aSpan({ startUnixNano: 2n ** 63n, endUnixNano: 2n ** 64n - 1n })]),
    );
    expect(meta.maxEnd).toBe(9_223_286_400_000_000_000n);
    expect(meta.minTraceStart).toBe(9_223_286_400_000_000_000n);
    expect(meta.optionalColumns).toEqual(["start_unix_nano", "end_unix_nano"]);
  });
});
