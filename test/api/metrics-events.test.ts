import type { Hono } from "hono";
import { afterAll, beforeAll, expect, test } from "vitest";
import { T0, WORKED } from "../differential/worked-data.ts";
import { SegmentStore } from "../query/segment-store.ts";
import { batchOf } from "../support/batch-builder.ts";
import { type ReadEvent, readEvents } from "../support/server-events.ts";
import { apiOf } from "./api-fixture.ts";

const START = Number(T0 / 1_000_000_000n);
let store: SegmentStore;
let app: Hono;

beforeAll(async () => {
  store = await SegmentStore.open();
  const spans = Object.values(WORKED);
  await store.addBatch(batchOf(spans.slice(0, 3)));
  await store.addBatch(batchOf(spans.slice(3)));
  store.nowMs = (START + 600) * 1000;
  app = apiOf(store);
});
afterAll(() => store.close());

const path = (name: string, q: string) =>
  `/api/metrics/${name}?${new URLSearchParams({ q, start: String(START), end: String(START + 120), step: "60" })}`;

test.each([
  // Which spans become exemplars depends on which segment is read first.
  ["query_range", "{ } | rate() by (name) with (exemplars=false)"],
  ["query_range", "{ } | compare({ status = error }) with (exemplars=false)"],
  ["query", "{ } | count_over_time() by (resource.service.name)"],
])("%s %s as events ends with the plain answer", async (name, q) => {
  const response = await app.request(path(name, q), { headers: { accept: "text/event-stream" } });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const all: ReadEvent[] = [];
  for await (const event of readEvents(response)) all.push(event);
  const plain = (await (await app.request(path(name, q))).json()) as { series: unknown[] };
  expect(plain.series.length).toBeGreaterThan(0);
  expect(all.at(-1)).toEqual({ event: "result", data: plain });
  expect(all.slice(0, -1).every(({ event }) => event === "partial")).toBe(true);
});

test("a query that is refused has its status", async () => {
  const headers = { accept: "text/event-stream" };
  const response = await app.request(path("query_range", "{ }"), { headers });
  expect([response.status, await response.text()]).toEqual([400, "not a metrics query"]);
});
