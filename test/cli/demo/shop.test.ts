import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLoad } from "../../../src/cli/demo/load.ts";
import { SHOP, type Shop, startShop } from "../../../src/cli/demo/shop.ts";
import { type OtlpSink, type SunkSpan, startOtlpSink } from "../../support/demo-otlp-sink.ts";

let sink: OtlpSink;
let shop: Shop;
let traceId: string | undefined;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const attribute = (sunk: SunkSpan, key: string): unknown =>
  sunk.span.attributes.find((a) => a.key === key)?.value?.value.value;
const some = (what: (sunk: SunkSpan) => boolean): boolean => sink.spans.some(what);

beforeAll(async () => {
  sink = await startOtlpSink();
  // Trouble of 8: errors and slow calls within seconds, and still purchases that succeed.
  shop = await startShop({ otlp: sink, frontendPort: 0, trouble: 8, exportDelayMs: 200 });
  const load = startLoad(shop.frontendUrl, 25);
  const complete = (): boolean =>
    load.lastTraceId !== undefined &&
    SHOP.every((m) => m.protocol === "none" || some((s) => s.service === m.name)) &&
    some((s) => s.span.links.length > 0) &&
    some((s) => s.span.events.some((e) => e.name === "exception")) &&
    some((s) => attribute(s, "http.response.status_code") === 500n);
  const deadline = performance.now() + 45_000;
  while (!complete() && performance.now() < deadline) await sleep(200);
  await load.stop();
  traceId = load.lastTraceId;
  await shop.stop(); // Flushes every service.
});

afterAll(async () => {
  await shop?.stop();
  await sink?.close();
});

test("every service exports under its name with its own protocol", () => {
  for (const { name, protocol } of SHOP) {
    const ways = new Set(sink.spans.filter((s) => s.service === name).map((s) => s.via));
    expect([name, ...ways]).toEqual(protocol === "none" ? [name] : [name, protocol]);
  }
});

test("a purchase is one trace through its services, with every parent present", () => {
  const spans = sink.spans.filter((s) => hex(s.span.traceId) === traceId);
  const services = new Set(spans.map((s) => s.service));
  expect([...services].sort()).toEqual([
    "cart",
    "checkout",
    "frontend",
    "inventory",
    "payment",
    "shop-db",
  ]);
  const ids = new Set(spans.map((s) => hex(s.span.spanId)));
  const roots = spans.filter((s) => s.span.parentSpanId.length === 0);
  expect(roots.map((s) => [s.service, s.span.name])).toEqual([
    ["frontend", "POST /checkout/{user}"],
  ]);
  for (const { span } of spans) {
    if (span.parentSpanId.length > 0) expect(ids).toContain(hex(span.parentSpanId));
  }
});

test("http, database and messaging calls carry their conventions' attributes", () => {
  const carries = (service: string, key: string): boolean =>
    some((s) => s.service === service && attribute(s, key) !== undefined);
  expect(carries("frontend", "http.route")).toBe(true);
  expect(carries("cart", "db.query.text")).toBe(true);
  expect(carries("checkout", "messaging.message.id")).toBe(true);
  expect(carries("shipping-worker", "messaging.batch.message_count")).toBe(true);
});

test("the worker's batches are traces of their own, linked to the sending spans", () => {
  const batch = sink.spans.find((s) => s.span.links.length > 0)!;
  expect(batch.service).toBe("shipping-worker");
  expect(batch.span.parentSpanId).toHaveLength(0);
  const senders = sink.spans.filter((s) => s.span.name === "send orders");
  for (const link of batch.span.links) {
    expect(senders.map((s) => hex(s.span.spanId))).toContain(hex(link.spanId));
    expect(hex(link.traceId)).not.toBe(hex(batch.span.traceId));
  }
});

test("some spans fail, with an exception's event", () => {
  const failed = sink.spans.filter((s) => s.span.status?.code === 2);
  expect(failed.length).toBeGreaterThan(0);
  const exception = sink.spans
    .flatMap((s) => s.span.events)
    .find((event) => event.name === "exception")!;
  expect(exception.attributes.map((a) => a.key)).toContain("exception.message");
});
