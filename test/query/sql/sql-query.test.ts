import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aRequest, aSpan, attributes, hex } from "../../support/otlp-builder.ts";
import { codeOf, SqlStore, TENANT } from "./sql-store.ts";

let store: SqlStore;
const HOSTILE = `it's "odd" ['x'] -- \\ ;`;

beforeAll(async () => {
  store = await SqlStore.open();
  // Enough values that keys get columns of their own, see dedicated-keys.ts.
  const many = Array.from({ length: 60 }, (_, i) =>
    aSpan({
      spanId: hex((i + 1).toString(16).padStart(16, "0")),
      startTimeUnixNano: 1_700_000_000_000_000_000n + BigInt(i),
      endTimeUnixNano: 1_700_000_000_000_000_000n + BigInt(1_000_000 * (i + 1)),
      attributes: attributes({
        "http.route": `/r${i % 3}`,
        "http.response.status_code": BigInt(i % 2 === 0 ? 200 : 500),
        ratio: i / 8,
        sampled: i % 2 === 0,
        [HOSTILE]: `v'${i % 4}"`,
        ...(i === 7 ? { "rare.key": "needle", "rare.int": 42n } : {}),
      }),
      ...(i === 3
        ? {
            events: [{ name: "exception", timeUnixNano: 5n, attributes: attributes({ a: "b" }) }],
            links: [
              { traceId: hex("0af7651916cd43dd8448eb211c80319d"), spanId: hex("00000000000000ff") },
            ],
          }
        : {}),
    }),
  );
  await store.segments.add([aRequest(many, { service: "shop" })]);
  // Another set of columns: the status code as text, nothing dedicated, no events.
  await store.segments.add([
    aRequest(
      [
        aSpan({
          parentSpanId: hex("00000000000000ab"),
          attributes: attributes({ "http.response.status_code": "500", "http.route": "/r9" }),
        }),
      ],
      { service: "cart" },
    ),
  ]);
  await store.segments.add([aRequest([aSpan()], { service: "secret" })], { tenant: "other" });
});
afterAll(async () => {
  await store.close();
});

test("counts all segments, each span once, whatever columns they have", async () => {
  expect(
    await store.text("select service_name, count(*) as n from spans group by 1 order by 1"),
  ).toBe("service_name,n\ncart,1\nshop,60\n");
});

test("attributes of any type and home are text under their key", async () => {
  const sql = `select service_name, span_attributes['http.response.status_code'] as code, count(*) as n
    from spans where span_attributes['http.response.status_code'] = '500' group by all order by 1`;
  expect(await store.text(sql)).toBe("service_name,code,n\ncart,500,1\nshop,500,30\n");
  const needle = `select span_attributes['rare.key'] || span_attributes['rare.int'] as v,
    span_attributes['ratio'] as r, span_attributes['sampled'] as s, span_attributes['nope'] as x
    from spans where span_attributes['rare.key'] = 'needle'`;
  expect(await store.text(needle)).toBe("v,r,s,x\nneedle42,0.875,false,\n");
});

test("the whole map holds exactly what a lookup finds", async () => {
  const slow = `select map_keys(span_attributes)::VARCHAR as k from spans where service_name = 'cart'`;
  expect(await store.text(slow)).toContain("http.response.status_code, http.route");
  const sql = (map: string) =>
    `select sum(hash(span_id, ${map}['http.route'], ${map}['ratio'], ${map}['rare.key']))::VARCHAR as h from spans`;
  const fast = await store.text(sql("span_attributes"));
  // `(map)` is no lookup that is rewritten, so the map itself is built.
  expect(await store.text(sql("(span_attributes)"))).toBe(fast);
});

test("hostile attribute names are found and do no harm", async () => {
  const key = HOSTILE.replaceAll("'", "''");
  expect(
    await store.text(`select count(*) as n from spans where span_attributes['${key}'] = 'v''2"'`),
  ).toBe("n\n15\n");
  const all = await store.text(
    `select distinct unnest(map_keys(span_attributes)) as k from spans`,
    {
      format: "ndjson",
    },
  );
  expect(
    all
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line).k),
  ).toContain(HOSTILE);
});

test("resource attributes have service.name, ids have hex forms", async () => {
  const sql = `select trace_id_hex, span_id_hex, parent_span_id_hex, resource_attributes['service.name'] as s,
    resource_attributes as m, start_unix_nano, end_unix_nano from spans where service_name = 'cart'`;
  expect(JSON.parse(await store.text(sql, { format: "json" }))).toEqual([
    {
      trace_id_hex: "0af7651916cd43dd8448eb211c80319c",
      span_id_hex: "b7ad6b7169203331",
      parent_span_id_hex: "00000000000000ab",
      s: "cart",
      m: { "service.name": "cart" },
      start_unix_nano: 1_700_000_000_000_000_000,
      end_unix_nano: 1_700_000_000_005_000_000,
    },
  ]);
});

test("events and links are lists, NULL where a segment has none", async () => {
  const sql = `select service_name, events[1].name as e, events[1].attributes[1].str as a, len(links) as l
    from spans where service_name = 'cart' or len(events) > 0 order by 1`;
  expect(await store.text(sql)).toBe("service_name,e,a,l\ncart,,,\nshop,exception,b,1\n");
});

test("a star beside a lookup gives the view's columns only", async () => {
  const plain = await store.text("select * from spans limit 0");
  const beside = await store.text(
    "select * from spans where span_attributes['http.route'] = '/r9' limit 0",
  );
  expect(beside).toBe(plain);
  expect(plain).toContain("trace_id,span_id,parent_span_id,trace_start,start_time,duration_ns");
});

test("JSON keeps 64-bit numbers, nested values and NULL; rows end with their count", async () => {
  const sql =
    "select 9007199254740993::BIGINT as b, [1, NULL] as l, {'a': 'x\"'} as s, NULL as n, 1.50::DECIMAL(4,2) as d, 'nan'::DOUBLE as f, map {1: 'a'} as m, ''  as e";
  expect(await store.text(sql, { format: "json" })).toBe(
    `[\n{"b":9007199254740993,"l":[1,null],"s":{"a":"x\\""},"n":null,"d":1.50,"f":"NaN","m":[{"key":1,"value":"a"}],"e":""}\n]\n`,
  );
  expect(await store.text("select 1 as a, 2 as a where false", { format: "json" })).toBe("[\n]\n");
  const rows = (await store.text(sql, { format: "rows" })).trimEnd().split("\n");
  expect(JSON.parse(rows[0]!).columns.slice(0, 2)).toEqual([
    { name: "b", type: "BIGINT" },
    { name: "l", type: "INTEGER[]" },
  ]);
  expect(JSON.parse(rows[1]!)).toEqual([
    "9007199254740993",
    "[1,null]",
    '{"a":"x\\""}',
    null,
    "1.50",
    "NaN",
    '[{"key":1,"value":"a"}]',
    "",
  ]);
  expect(JSON.parse(rows[2]!)).toEqual({ rows: 1, truncated: false });
});

test("Parquet results are Parquet files", async () => {
  const { body } = await store.query().run(
    {
      tenants: [TENANT],
      sql: "select service_name, span_attributes['http.route'] as route from spans order by span_id limit 3; -- done",
      format: "parquet",
      limit: 2,
    },
    new AbortController().signal,
  );
  const file = await new Response(body).arrayBuffer();
  expect(await parquetReadObjects({ file, compressors })).toEqual([
    { service_name: "shop", route: "/r0" },
    { service_name: "shop", route: "/r1" },
  ]);
});

test("DESCRIBE, SUMMARIZE, EXPLAIN, VALUES, FROM first and CTEs answer", async () => {
  expect(await store.text("describe spans")).toContain('span_attributes,"MAP(VARCHAR, VARCHAR)"');
  expect(await store.text("summarize select duration_ns from spans")).toContain("duration_ns");
  expect(await store.text("explain select count(*) from spans")).toContain("UNION");
  expect(await store.text("values (1), (2)")).toBe("col0\n1\n2\n");
  expect(await store.text("from spans select count(*) as n")).toBe("n\n61\n");
  expect(
    await store.text(
      "with t as (select * from spans) select count(span_attributes['http.route']) as n from t",
    ),
  ).toBe("n\n61\n");
});

test("a tenant without segments has an empty view with the same columns", async () => {
  const tenants = ["nobody"];
  expect(await store.text("select count(*) as n from spans", { tenants })).toBe("n\n0\n");
  expect(await store.text("select * from spans", { tenants })).toBe(
    await store.text("select * from spans limit 0"),
  );
});

test("a tenant sees its own spans only", async () => {
  expect(await store.text("select distinct service_name from spans", { tenants: ["other"] })).toBe(
    "service_name\nsecret\n",
  );
  const secret = store.path(store.segments.segments.find((meta) => meta.tenant === "other")!);
  for (const from of [`read_parquet('${secret}')`, `'${secret}'`, `read_blob('${secret}')`]) {
    const refused = await codeOf(store.text(`select * from ${from}`));
    expect(refused).toContain("invalid: duckdb: Permission Error: Cannot access file");
  }
});

test("a million rows stream in bounded memory", { timeout: 60_000 }, async () => {
  // The result is about 40 MB as text; the engine may use 32 MB.
  const { body } = await store.query({}, 32 * 2 ** 20).run(
    {
      tenants: [TENANT],
      sql: "select range as n, repeat('x', 35) as text from range(1000000)",
      format: "csv",
      limit: 0,
    },
    new AbortController().signal,
  );
  let lines = 0;
  let bytes = 0;
  let largest = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    largest = Math.max(largest, chunk.length);
    for (const byte of chunk) if (byte === 10) lines++;
  }
  expect(lines).toBe(1_000_001);
  expect(bytes).toBeGreaterThan(40_000_000);
  expect(largest).toBeLessThanOrEqual(1 << 20);
});

test("a limit ends the result and says so; JSON arrays are bounded", async () => {
  const sql = "select range as n from range(100000)";
  const rows = (await store.text(sql, { format: "rows", limit: 3 })).trimEnd().split("\n");
  expect(rows).toHaveLength(5);
  expect(JSON.parse(rows[4]!)).toEqual({ rows: 3, truncated: true });
  const query = store.query({ maxJsonRows: 10 });
  const refused = await codeOf(store.text(sql, { format: "json", query }));
  expect(refused).toContain("limited: the result has more than 10 rows");
});

test("an error after the first rows breaks the body with its reason", async () => {
  const sql =
    "select case when range = 900000 then error('boom') else 'x' end as v from range(1000000)";
  const { body } = await store
    .query()
    .run({ tenants: [TENANT], sql, format: "csv", limit: 0 }, new AbortController().signal);
  expect(await codeOf(new Response(body).text())).toContain("boom");
});

test("a query that heeds no interrupt is ended at its time-out, with its folder", async () => {
  const sql = "select levenshtein(repeat('a', 3000000), repeat('b', 3000000))";
  const run = store
    .query()
    .run(
      { tenants: [TENANT], sql, format: "csv", limit: 0, timeoutMs: 1500 },
      new AbortController().signal,
    );
  expect(await codeOf(run)).toBe("timeout: query exceeded 1500 ms");
  await vanishes();
});

test("a caller that goes away ends the query, before and after its first rows", async () => {
  const early = new AbortController();
  const sql = "select count(*) from range(1000000) a, range(1000000) b";
  const run = store.query().run({ tenants: [TENANT], sql, format: "csv", limit: 0 }, early.signal);
  setTimeout(() => early.abort(), 500);
  expect(await codeOf(run)).toBe("canceled: query was canceled");

  const query = store.query({ maxConcurrent: 1 });
  const endless = "select repeat('x', 1000) from range(1000000000)";
  const answer = await query.run(
    { tenants: [TENANT], sql: endless, format: "csv", limit: 0 },
    new AbortController().signal,
  );
  await answer.body.cancel();
  await answer.ended;
  // Its place is free again.
  expect(await store.text("select 1 as a", { query })).toBe("a\n1\n");
  await vanishes();
});

test.each(["cancels", "goes away", "is slower than the time-out"])(
  "a reader that has not taken all there is and %s ends the query",
  async (what) => {
    const query = store.query({ maxConcurrent: 1 });
    const sql = "select repeat('x', 1000) from range(1000000000)";
    const gone = new AbortController();
    const timeoutMs = what.includes("time-out") ? 8000 : 60_000;
    const answer = await query.run(
      { tenants: [TENANT], sql, format: "csv", limit: 0, timeoutMs },
      gone.signal,
    );
    const reader = answer.body.getReader();
    await reader.read();
    // The process goes on until all that lies between it and the reader is full.
    await sleep(500);
    if (what === "cancels") await reader.cancel();
    if (what === "goes away") gone.abort();
    await answer.ended;
    expect(await store.text("select 1 as a", { query })).toBe("a\n1\n");
    await vanishes();
    if (what === "cancels") return;
    const rest = (async () => {
      while (!(await reader.read()).done);
    })();
    const kind = what === "goes away" ? "canceled" : "timeout";
    await expect(rest).rejects.toMatchObject({ kind });
  },
);

test("memory and spill are bounded: one query fails, nothing else", async () => {
  const sql = "select list(range) from range(100000000)";
  const query = store.query({}, 32 * 2 ** 20);
  expect(await codeOf(store.text(sql, { query }))).toContain("limited: duckdb: Out of Memory");
});

test("queries beyond the places and the queue are refused", async () => {
  const query = store.query({ maxConcurrent: 1, maxOutstandingPerTenant: 1 });
  const stop = new AbortController();
  const slow = "select count(*) from range(1000000) a, range(1000000) b";
  const request = { tenants: [TENANT], sql: slow, format: "csv", limit: 0 } as const;
  const first = codeOf(query.run(request, stop.signal));
  const second = codeOf(query.run(request, stop.signal));
  expect(await codeOf(query.run(request, stop.signal))).toContain("limited: too many outstanding");
  stop.abort();
  await Promise.all([first, second]);
});

async function vanishes(): Promise<void> {
  for (let i = 0; i < 100 && existsSync(store.tempDir); i++) {
    if (readdirSync(store.tempDir).length === 0) return;
    await sleep(50);
  }
  expect(readdirSync(store.tempDir)).toEqual([]);
}
