import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { otlpJsonToProtobuf } from "../../src/receivers/otlp/json.ts";
import { SegmentStore } from "../query/segment-store.ts";
import { aRequest, aSpan, attribute, hex } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

const T0 = 1_700_000_000_000_000_000n;
let store: SegmentStore;

beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(() => store.close());
beforeEach(async () => {
  store.clear();
  const spans = [1, 2].map((n) =>
    aSpan({
      traceId: hex(n.toString(16).padStart(32, "0")),
      startTimeUnixNano: T0 + BigInt(n),
      attributes: [attribute("zero", -0), attribute("big", 2n ** 63n - 1n)],
    }),
  );
  await store.add([aRequest(spans)]);
});

const ask = (params: string) => apiOf(store).request(`/api/export?${params}`);

test("OTLP/JSON is a line for each trace, newest first, which the receiver reads", async () => {
  const answer = await ask("q={}");
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = (await answer.text()).trimEnd().split("\n");
  expect(lines.length).toBe(2);
  expect(lines[0]).toContain('"traceId":"00000000000000000000000000000002"');
  expect(lines[0]).toContain('{"key":"zero","value":{"doubleValue":"-0"}}');
  expect(otlpJsonToProtobuf(new TextEncoder().encode(lines[0])).length).toBeGreaterThan(50);
});

test("protobuf messages stand behind their length", async () => {
  const bytes = new Uint8Array(await (await ask("q={}&format=otlp-proto")).arrayBuffer());
  const view = new DataView(bytes.buffer);
  const first = view.getUint32(0);
  const second = view.getUint32(4 + first);
  expect(8 + first + second).toBe(bytes.length);
});

test.each([
  ["", "q is missing"],
  ["q={", "parse error"],
  ["q={}&format=csv", 'invalid format "csv"'],
  ["q={}&limit=-1", "invalid limit"],
  ["q={}&start=5&end=4", "start must be before end"],
])("'%s' is refused", async (params, reason) => {
  const answer = await ask(params);
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain(reason);
});

test("nothing found is an empty body", async () => {
  const answer = await ask("q={name=%22nothing%22}");
  expect([answer.status, await answer.text()]).toEqual([200, ""]);
});

test("a third export is told to wait, until one has ended or its client went away", async () => {
  const app = apiOf(store);
  // Large enough not to be made in advance.
  const blob = "x".repeat(100_000);
  const spans = Array.from({ length: 30 }, (_, i) =>
    aSpan({
      traceId: hex((i + 100).toString(16).padStart(32, "0")),
      attributes: [attribute("blob", blob)],
    }),
  );
  await store.add([aRequest(spans)]);
  const open = () => app.request("/api/export?q={}");
  const [first, second] = await Promise.all([open(), open()]);
  const third = await open();
  expect([third.status, third.headers.get("retry-after")]).toEqual([429, "10"]);
  await first.body?.cancel();
  const fourth = await open();
  expect(fourth.status).toBe(200);
  await Promise.all([second.text(), fourth.text()]);
  expect((await open()).status).toBe(200);
});

test("a failure after the first bytes cuts the body", async () => {
  const blob = "x".repeat(100_000);
  const spans = Array.from({ length: 80 }, (_, i) =>
    aSpan({
      traceId: hex((i + 100).toString(16).padStart(32, "0")),
      attributes: [attribute("blob", blob)],
    }),
  );
  await store.add([aRequest(spans)]);
  const answer = await ask("q={}");
  expect(answer.status).toBe(200);
  store.onSnapshot = () => {
    throw new Error("the catalog is gone");
  };
  try {
    await expect(answer.text()).rejects.toThrow();
  } finally {
    store.onSnapshot = () => {};
  }
});
