import type { Hono } from "hono";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { SegmentStore } from "../query/segment-store.ts";
import { attributes, hex } from "../support/otlp-builder.ts";
import { type ReadEvent, readEvents } from "../support/server-events.ts";
import { apiOf } from "./api-fixture.ts";

let store: SegmentStore;
let app: Hono;
let restore = () => {};

beforeAll(async () => {
  store = await SegmentStore.open();
  for (const segment of [0, 1]) {
    const spans = Array.from({ length: 30 }, (_, i) => {
      const n = segment * 30 + i + 1;
      const start = BigInt(1_700_000_000 + n) * 1_000_000_000n;
      return {
        traceId: hex(n.toString(16).padStart(32, "0")),
        spanId: hex("00000000000000a1"),
        name: "<op>\nwith a line break",
        startTimeUnixNano: start,
        endTimeUnixNano: start + 1n,
      };
    });
    const resource = { attributes: attributes({ "service.name": "shop" }) };
    await store.add([{ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }]);
  }
  app = apiOf(store);
});
afterAll(() => store.close());
afterEach(() => restore());

const EVENTS = { accept: "text/event-stream" };
const path = (query: string, more = "") => `/api/search?q=${encodeURIComponent(query)}${more}`;
async function events(response: Response): Promise<ReadEvent[]> {
  const all: ReadEvent[] = [];
  for await (const event of readEvents(response)) all.push(event);
  return all;
}
type Body = { traces: { traceID: string }[]; metrics: object };

test("a search as events ends with the plain answer as its result", async () => {
  const url = path("{ name != nil }", "&limit=50");
  const response = await app.request(url, {
    headers: { ...EVENTS, "accept-encoding": "gzip" },
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(response.headers.get("content-encoding")).toBeNull();
  const all = await events(response);
  const plain = (await (await app.request(url)).json()) as Body;
  expect(all.at(-1)).toEqual({ event: "result", data: plain });
  expect(plain.traces.length).toBe(50);
  const partial = all.slice(0, -1);
  expect(partial.every(({ event }) => event === "partial")).toBe(true);
  const told = partial.flatMap(({ data }) => (data as Body).traces.map((trace) => trace.traceID));
  expect(new Set(told).size).toBe(told.length);
});

test("`stream=true` asks for events too", async () => {
  const response = await app.request(path("{}", "&stream=true"));
  const text = await response.text();
  expect(text.startsWith("retry: 3000\n\n")).toBe(true);
  expect(text).toMatch(/\nid: done\nevent: result\ndata: \{"traces":\[.*\}\n\n$/);
});

test("a browser that asks again after the end is told to stop", async () => {
  const headers = { ...EVENTS, "last-event-id": "done" };
  expect((await app.request(path("{}"), { headers })).status).toBe(204);
});

test("what is wrong with the request has its status; what fails later is an event", async () => {
  const refused = await app.request(path("{ oops"), { headers: EVENTS });
  expect(refused.status).toBe(400);
  expect(await refused.text()).toMatch(/^invalid TraceQL query: parse error/);
  store.onSnapshot = () => {
    throw new Error("secret");
  };
  restore = () => {
    store.onSnapshot = () => {};
  };
  const response = await app.request(path("{}"), { headers: EVENTS });
  expect(await events(response)).toEqual([
    { event: "error", data: { status: 500, message: "internal error" } },
  ]);
});

test("a reader that goes away aborts the query", async () => {
  const { database } = store;
  const real = database.rows.bind(database);
  const started = Promise.withResolvers<AbortSignal>();
  database.rows = (_sql, options) => {
    started.resolve(options!.signal!);
    return new Promise((_, reject) =>
      options!.signal!.addEventListener("abort", () => reject(new Error("aborted"))),
    );
  };
  restore = () => {
    database.rows = real;
  };
  const response = await app.request(path("{ duration > 0ns }"), { headers: EVENTS });
  const reader = response.body!.getReader();
  await reader.read();
  const waiting = reader.read();
  const signal = await started.promise;
  void reader.cancel();
  expect((await waiting).done).toBe(true);
  expect(signal.aborted).toBe(true);
});
