import { fromBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  SearchTagsV2ResponseSchema,
  SearchTagValuesV2ResponseSchema,
} from "../../gen/tempopb/tempo_pb.ts";
import { INTRINSIC_TAGS } from "../../src/query/intrinsic-tags.ts";
import { SegmentStore, TEST_LIMITS } from "../query/segment-store.ts";
import { attribute, attributes, hex, type KeyValueInit } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

const T0 = 1_700_000_000n;
const SECOND = 1_000_000_000n;

let store: SegmentStore;
let app: Hono;

function strings(key: string, values: string[]): KeyValueInit {
  const list = values.map((value) => ({ value: { case: "stringValue" as const, value } }));
  return { key, value: { value: { case: "arrayValue", value: { values: list } } } };
}

beforeAll(async () => {
  store = await SegmentStore.open();
  const span = (n: number, init: object) => ({
    traceId: hex("1".padStart(32, "0")),
    spanId: hex(n.toString(16).padStart(16, "0")),
    name: n % 2 === 0 ? "even" : "odd",
    startTimeUnixNano: T0 * SECOND + BigInt(n),
    endTimeUnixNano: T0 * SECOND + BigInt(n + 5),
    ...init,
  });
  // More values than the catalog lists, so that they have to be read.
  const many = Array.from({ length: 100 }, (_, i) =>
    span(i + 10, {
      attributes: attributes({ "user.id": `u${String(i).padStart(3, "0")}`, n: BigInt(i) }),
    }),
  );
  await store.add([
    {
      resourceSpans: [
        {
          resource: { attributes: attributes({ "service.name": "cart", "k8s.pod": "p1" }) },
          scopeSpans: [
            {
              scope: { name: "lib", version: "1", attributes: attributes({ "lib.mode": "a" }) },
              spans: [
                span(1, {
                  attributes: [
                    ...attributes({
                      code: 200n,
                      ratio: 1,
                      on: true,
                      "a/b c": "slash",
                      both: "span",
                    }),
                    strings("tags", ["x", "y"]),
                  ],
                  events: [{ name: "retry", attributes: attributes({ attempt: 2n }) }],
                  links: [
                    {
                      traceId: hex("aa".repeat(16)),
                      spanId: hex("bb".repeat(8)),
                      attributes: attributes({ why: "batch" }),
                    },
                  ],
                  status: { code: 2, message: "boom" },
                }),
                ...many,
              ],
            },
          ],
        },
      ],
    },
  ]);
  await store.add([
    {
      resourceSpans: [
        {
          resource: { attributes: attributes({ both: "resource", empty: "" }) },
          scopeSpans: [
            {
              spans: [
                span(2, {
                  startTimeUnixNano: (T0 + 1000n) * SECOND,
                  endTimeUnixNano: (T0 + 1000n) * SECOND,
                  attributes: [attribute("code", "text"), attribute("code2", 7n)],
                }),
              ],
            },
          ],
        },
      ],
    },
  ]);
  app = apiOf(store);
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.limits = TEST_LIMITS;
  store.statements.length = 0;
});

async function get(path: string) {
  const response = await app.request(path);
  const text = await response.text();
  return { status: response.status, body: response.status === 200 ? JSON.parse(text) : text };
}

async function scopes(parameters: string): Promise<Record<string, string[]>> {
  const { body } = await get(`/api/v2/search/tags?${parameters}`);
  return Object.fromEntries(
    body.scopes.map((scope: { name: string; tags: string[] }) => [scope.name, scope.tags]),
  );
}

async function values(tag: string, parameters = ""): Promise<[string, string | undefined][]> {
  const { status, body } = await get(
    `/api/v2/search/tag/${encodeURIComponent(tag)}/values?${parameters}`,
  );
  expect([status, status === 200 ? "" : body]).toEqual([200, ""]);
  return body.tagValues.map((v: { type: string; value?: string }) => [v.type, v.value]);
}
const filter = (query: string): string => `q=${encodeURIComponent(query)}`;

describe("names", () => {
  test("come from the catalog by scope, sorted, with the intrinsics", async () => {
    expect(await scopes("")).toEqual({
      resource: ["both", "empty", "k8s.pod", "service.name"],
      span: ["a/b c", "both", "code", "code2", "n", "on", "ratio", "tags", "user.id"],
      event: ["attempt"],
      link: ["why"],
      instrumentation: ["lib.mode"],
      intrinsic: [...INTRINSIC_TAGS],
    });
    expect(store.statements).toEqual([]);
    expect(INTRINSIC_TAGS).toHaveLength(25);
  });

  test("may be asked for by scope", async () => {
    expect(Object.keys(await scopes("scope=event"))).toEqual(["event"]);
    expect(Object.keys(await scopes("scope=intrinsic"))).toEqual(["intrinsic"]);
    expect(await scopes("scope=trace")).toEqual({});
    expect(Object.keys(await scopes("scope=none"))).toContain("intrinsic");
    expect(await get("/api/v2/search/tags?scope=foo")).toEqual({
      status: 400,
      body: "invalid scope: foo",
    });
  });

  test("of the first version are one list", async () => {
    const { body } = await get("/api/search/tags");
    expect(body.tagNames).toEqual([
      "a/b c",
      "attempt",
      "both",
      "code",
      "code2",
      "empty",
      "k8s.pod",
      "lib.mode",
      "n",
      "on",
      "ratio",
      "service.name",
      "tags",
      "user.id",
      "why",
    ]);
    expect((await get("/api/search/tags?scope=intrinsic")).body.tagNames).toEqual([
      ...INTRINSIC_TAGS,
    ]);
    expect((await get("/api/search/tags?limit=2")).body.tagNames).toEqual(["a/b c", "attempt"]);
  });

  test("are those of the segments in the range", async () => {
    expect((await scopes(`scope=span&start=${T0 + 900n}&end=${T0 + 1100n}`)).span).toEqual([
      "code",
      "code2",
    ]);
    expect(await scopes(`scope=span&start=1&end=2`)).toEqual({});
  });

  test("are those of the spans that pass the filter, wherever their attributes rest", async () => {
    expect(await scopes(filter("{ status = error }"))).toEqual({
      resource: ["k8s.pod", "service.name"],
      span: ["a/b c", "both", "code", "on", "ratio", "tags"],
      event: ["attempt"],
      link: ["why"],
      instrumentation: ["lib.mode"],
      intrinsic: [...INTRINSIC_TAGS],
    });
    expect((await scopes(`scope=span&${filter("{ .both = `resource` }")}`)).span).toEqual([
      "code",
      "code2",
    ]);
    expect(await scopes(`scope=span&${filter("{ span.code = 1 }")}`)).toEqual({});
  });

  test("beyond any answer's size are cut, not refused", { timeout: 30_000 }, async () => {
    const names = Array.from({ length: 100_001 }, (_, i) => `k${String(i).padStart(6, "0")}`);
    const crowd = await SegmentStore.open();
    try {
      const at = { startTimeUnixNano: T0 * SECOND, endTimeUnixNano: T0 * SECOND };
      // A span may have 65 535.
      const spans = [names.slice(0, 50_001), names.slice(50_001)].map((keys, i) => ({
        traceId: hex("11".repeat(16)),
        spanId: hex(`0${i + 1}`.repeat(8)),
        ...at,
        attributes: keys.map((name) => attribute(name, 1n)),
      }));
      await crowd.add([{ resourceSpans: [{ scopeSpans: [{ spans }] }] }]);
      const path = `/api/v2/search/tags?scope=span&limit=2&${filter("{ span.k000001 != nil || span.k100000 != nil }")}`;
      const response = await apiOf(crowd).request(path);
      expect(await response.json()).toMatchObject({
        scopes: [{ name: "span", tags: ["k000000", "k000001"] }],
      });
    } finally {
      await crowd.close();
    }
  });

  test("are cut by limit and by bytes", async () => {
    expect((await scopes("limit=2")).span).toEqual(["a/b c", "both"]);
    expect((await scopes("limit=-1")).span).toHaveLength(9);
    store.limits = { ...TEST_LIMITS, maxBytesPerTagValuesQuery: 9 };
    expect((await scopes("")).resource).toEqual(["both", "empty"]);
    expect((await scopes("")).span).toBeUndefined();
  });
});

describe("values", () => {
  test("have types, and the empty string is one", async () => {
    expect(await values("span.code")).toEqual([
      ["int", "200"],
      ["string", "text"],
    ]);
    expect(await values("span.ratio")).toEqual([["float", "1.0"]]);
    expect(await values("span.on")).toEqual([["bool", "true"]]);
    expect(await values("resource.service.name")).toEqual([
      ["string", undefined],
      ["string", "cart"],
    ]);
    expect(await values("resource.empty")).toEqual([["string", undefined]]);
    expect(await values("span.none")).toEqual([]);
    expect(store.statements).toEqual([]);
  });

  test("of an unscoped tag are those of spans and resources", async () => {
    expect(await values(".both")).toEqual([
      ["string", "resource"],
      ["string", "span"],
    ]);
    expect(await values("span.both")).toEqual([["string", "span"]]);
  });

  test("of arrays are their elements", async () => {
    expect(await values("span.tags")).toEqual([
      ["string", "x"],
      ["string", "y"],
    ]);
  });

  test("of events, links, scopes and intrinsics", async () => {
    expect(await values("event.attempt")).toEqual([["int", "2"]]);
    expect(await values("link.why")).toEqual([["string", "batch"]]);
    expect(await values("instrumentation.lib.mode")).toEqual([["string", "a"]]);
    expect(await values("event:name")).toEqual([["string", "retry"]]);
    expect(await values("name")).toEqual([
      ["string", "even"],
      ["string", "odd"],
    ]);
    expect(await values("span:statusMessage")).toEqual([
      ["string", undefined],
      ["string", "boom"],
    ]);
    expect(await values("instrumentation:version")).toEqual([
      ["string", undefined],
      ["string", "1"],
    ]);
  });

  test("of status and kind are fixed words, of ids and durations none", async () => {
    const words = (list: string[]) => list.map((word) => ["keyword", word]);
    expect(await values("status")).toEqual(words(["error", "ok", "unset"]));
    expect(await values("span:kind", filter("{ span.code = 1 }"))).toEqual(
      words(["client", "consumer", "internal", "producer", "server", "unspecified"]),
    );
    for (const tag of [
      "duration",
      "traceDuration",
      "trace:id",
      "span:id",
      "span:parentID",
      "link:traceID",
      "span:childCount",
    ])
      expect(await values(tag)).toEqual([]);
  });

  test("that the catalog does not list whole are read", async () => {
    const all = await values("span.user.id");
    expect(all).toHaveLength(100);
    expect(all[99]).toEqual(["string", "u099"]);
    expect(store.statements).toHaveLength(1);
    expect(await values("span.n")).toHaveLength(100);
    expect(await values("span.user.id", "limit=3")).toEqual(all.slice(0, 3));
  });

  test("are those of spans that pass the filter", async () => {
    expect(await values("span.user.id", filter("{ span.n >= 98 }"))).toEqual([
      ["string", "u098"],
      ["string", "u099"],
    ]);
    expect(await values("event.attempt", filter("{ status = error }"))).toEqual([["int", "2"]]);
    expect(await values("event.attempt", filter("{ status = ok }"))).toEqual([]);
    expect(await values("event:name", filter("{ name = `odd` }"))).toEqual([["string", "retry"]]);
    expect(await values("span.tags", filter("{ span.code = 200 }"))).toEqual([
      ["string", "x"],
      ["string", "y"],
    ]);
    expect(await values("instrumentation.lib.mode", filter("{ span.n = 1 }"))).toEqual([
      ["string", "a"],
    ]);
    expect(await values("name", filter("{ span.n = 1 || span.code2 = 7 }"))).toEqual([
      ["string", "even"],
      ["string", "odd"],
    ]);
  });

  test("that the filter itself fixes come without looking", async () => {
    expect(await values("span.code", filter("{ span.code = 999 }"))).toEqual([["int", "999"]]);
    expect(store.statements).toEqual([]);
    expect(await values("span.code", filter("{ span.code = 999 || status = error }"))).toEqual([
      ["int", "200"],
      ["int", "999"],
    ]);
  });

  test.each([
    "{ span.n = 1 && .b = }",
    "{ span.n = 1 && duration > }",
    "{ span.n = 1",
    "{ 1 = span.n }",
    "{ span.n = 1 } | rate()",
  ])("a half-typed filter counts as far as it goes: %s", async (query) => {
    expect(await values("span.user.id", filter(query))).toEqual([["string", "u001"]]);
  });

  test.each([
    "{ .b = }",
    "{}",
    "}{",
    "{ span.n = 'x' }",
    "{ span.n = 1 } >> {}",
    "{ span.n = 1 } && {}",
    "{ span.n || span.n = 1 }",
    "\u0000",
  ])("an unusable filter filters nothing: %j", async (query) => {
    expect(await values("span.user.id", filter(query))).toHaveLength(100);
  });

  test("too many alternatives are the one refusal", async () => {
    const query = `{ ${Array.from({ length: 101 }, (_, i) => `span.n = ${i}`).join(" || ")} }`;
    expect(await get(`/api/v2/search/tag/span.user.id/values?${filter(query)}`)).toEqual({
      status: 400,
      body: "maximum condition groups reached (limit: 100). Reduce the number of OR conditions in the query",
    });
  });

  test("are cut by bytes of type and value", async () => {
    store.limits = { ...TEST_LIMITS, maxBytesPerTagValuesQuery: 25 };
    expect(await values("span.user.id")).toHaveLength(2);
  });

  test("of the first version are bare, with its virtual ones", async () => {
    const v1 = async (tag: string) => (await get(`/api/search/tag/${tag}/values`)).body.tagValues;
    expect(await v1("both")).toEqual(["resource", "span"]);
    expect(await v1("code")).toEqual(["200", "text"]);
    expect(await v1("service.name")).toEqual(["", "cart"]);
    expect(await v1("status.code")).toEqual(["0", "1", "2", "error", "ok", "unset"]);
    expect(await v1("error")).toEqual(["true"]);
    expect(await v1("name")).toEqual(["even", "odd"]);
    expect(await v1("root.service.name")).toEqual(["", "cart"]);
    for (const tag of ["status", "kind", "duration", "none"]) expect(await v1(tag)).toEqual([]);
  });

  test("of tags with slashes, quotes and spaces", async () => {
    expect(await values('span."a/b c"')).toEqual([["string", "slash"]]);
    const raw = await get(`/api/v2/search/tag/span.%22a/b%20c%22/values`);
    expect(raw.body.tagValues).toEqual([{ type: "string", value: "slash" }]);
    expect((await get(`/api/search/tag/a%2Fb%20c/values`)).body.tagValues).toEqual(["slash"]);
    expect((await get(`/api/search/tag/a%252Fb/values`)).body.tagValues).toEqual([]);
  });

  test.each(["foo", "span.", "}", "span.a b", "'--"])("the tag %j is no field", async (tag) => {
    const { status, body } = await get(`/api/v2/search/tag/${encodeURIComponent(tag)}/values`);
    expect(status).toBe(400);
    expect(body).toMatch(/^please provide a valid tagName: failed to parse identifier /);
  });

  test("hostile names are only names", async () => {
    for (const tag of [
      "'; DROP TABLE x; --",
      '"',
      "\u0000",
      "a\nb",
      "\u2028",
      "x".repeat(4000),
      "%25",
      "é\u{1F4A3}",
    ]) {
      const { status, body } = await get(`/api/search/tag/${encodeURIComponent(tag)}/values`);
      expect([status, body.tagValues]).toEqual([200, []]);
    }
    expect((await get(`/api/search/tag/${"x".repeat(5000)}/values`)).status).toBe(400);
    expect((await get("/api/search/tag/%ff/values")).status).toBe(400);
    expect((await get("/api/search/tag//values")).status).toBe(404);
  });
});

test("answers come as protobuf and for language models", async () => {
  const as = async (path: string, accept: string) => app.request(path, { headers: { accept } });
  const bytes = async (response: Response) => new Uint8Array(await response.arrayBuffer());
  const tags = await as("/api/v2/search/tags?scope=link", "application/protobuf");
  expect(fromBinary(SearchTagsV2ResponseSchema, await bytes(tags)).scopes).toMatchObject([
    { name: "link", tags: ["why"] },
  ]);
  const codes = await as("/api/v2/search/tag/span.code/values", "application/protobuf");
  expect(fromBinary(SearchTagValuesV2ResponseSchema, await bytes(codes)).tagValues).toMatchObject([
    { type: "int", value: "200" },
    { type: "string", value: "text" },
  ]);
  const llm = await as("/api/v2/search/tag/span.code/values", "application/vnd.grafana.llm");
  expect(llm.headers.get("content-type")).toBe("application/vnd.grafana.llm+json");
  expect(JSON.parse(await llm.text()).tagValues).toEqual({ int: ["200"], string: ["text"] });
});

const BOTH =
  "error parsing date range: only one of start and end provided: must provide both or neither";
test.each([
  ["start=1700000000&end=1700000001", 200, undefined],
  ["start=1700000000000000000&end=1700000001000000000", 200, undefined],
  ["start=1700000000.25&end=1700000001.5", 200, undefined],
  ["start=2023-11-14T22:13:20Z&end=2023-11-14T23:13:20.123456789%2B01:00", 200, undefined],
  ["since=1h30m", 200, undefined],
  ["limit=abc&maxStaleValues=5", 200, undefined],
  ["start=5", 400, BOTH],
  ["end=5", 400, BOTH],
  ["start=abc&end=5", 400, /^error parsing date range: could not parse 'start' parameter: /],
  [
    "start=6&end=5",
    400,
    "range specified by start and end exceeds 168h0m0s. received start=6 end=5",
  ],
  ["start=1000000000&end=1000604801", 400, /^range specified by start and end exceeds 168h0m0s/],
  ["since=1", 400, /^error parsing date range: could not parse 'since'/],
])("the range %s answers %i", async (parameters, status, message) => {
  for (const path of [
    "/api/search/tags",
    "/api/v2/search/tags",
    "/api/search/tag/name/values",
    "/api/v2/search/tag/name/values",
  ]) {
    const answer = await get(`${path}?${parameters}`);
    expect(answer.status).toBe(status);
    if (message !== undefined)
      expect(answer.body).toEqual(
        typeof message === "string" ? message : expect.stringMatching(message),
      );
  }
});
