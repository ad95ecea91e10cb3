import { expect, test } from "vitest";
import { Budget } from "../../src/metrics-generator/budget.ts";
import { GeneratorClient } from "../../src/metrics-generator/generator-client.ts";
import type { FromGenerator } from "../../src/metrics-generator/messages.ts";
import { MetricsGenerator } from "../../src/metrics-generator/metrics-generator.ts";
import type { TenantGeneratorSettings } from "../../src/metrics-generator/settings.ts";
import { type TenantFigures, TenantMetrics } from "../../src/metrics-generator/tenant-metrics.ts";
import { aService, aSpan, batchOf } from "../support/batch-builder.ts";
import { observe, PARTS, spanMetrics, tenantSettings } from "./generator-settings.ts";
import { valuesOf } from "./written-series.ts";

const START = 1_767_225_645_500;
const COUNTS = { spanMetrics: spanMetrics({ latency: false, size: false }) };

/** A client and its generator, as two threads have them; messages are cloned between. */
function pair() {
  const clock = { nowMs: START };
  const settings = new Map<string, TenantGeneratorSettings>();
  const samples: { tenant: string; body: ArrayBuffer }[] = [];
  const failures: string[] = [];
  const posted: string[] = [];
  let figures: ReadonlyMap<string, TenantFigures> = new Map();
  const generator = new MetricsGenerator(
    {
      send: (message: FromGenerator) => client.receive(structuredClone(message)),
      nowMs: () => clock.nowMs,
      pause: () => Promise.resolve(),
    },
    PARTS.shared,
  );
  const client = new GeneratorClient({
    post: (message) => {
      posted.push(message.type);
      generator.receive(structuredClone(message));
    },
    settingsOf: (tenant) => settings.get(tenant),
    onSamples: ({ tenant, body }) => samples.push({ tenant, body: body.slice().buffer }),
    onFigures: (tenants) => {
      figures = tenants;
    },
    onFailure: (message) => failures.push(message),
  });
  const send = async (tenant: string, name = "op"): Promise<void> => {
    const endUnixNano = BigInt(clock.nowMs) * 1_000_000n;
    const span = aSpan({
      name,
      startUnixNano: endUnixNano,
      endUnixNano,
      resource: aService("shop"),
    });
    const spans = { batch: batchOf([span]), skipped: [], bytes: 100 };
    await generator.observe(tenant, client.settingsId(tenant), spans);
  };
  const taken = (tenant: string) =>
    Object.values(valuesOf(samples.splice(0).filter((each) => each.tenant === tenant)));
  const after = async (ms: number) => {
    clock.nowMs += ms;
    await generator.tick();
  };
  return { settings, client, send, taken, after, failures, posted, figures: () => figures };
}

test("samples of each tenant come when they are due, and at the end", async () => {
  const { settings, client, send, taken, after, figures } = pair();
  settings.set("a", tenantSettings(COUNTS));
  settings.set("b", tenantSettings({ ...COUNTS, collectionIntervalMs: 60_000 }));
  for (const tenant of ["a", "a", "b", "nobody"]) await send(tenant);
  await after(14_000);
  expect(taken("a")).toEqual([]);
  await after(1000);
  expect(taken("a")).toEqual([2]);
  await after(5000);
  expect(figures().get("a")).toMatchObject({
    spansReceived: 2,
    bytesReceived: 200,
    collections: 1,
  });
  expect([...figures().keys()]).toEqual(["a", "b"]);
  await client.flush();
  expect(taken("b")).toEqual([1]);
});

test("equal settings are told once, and other ones begin anew", async () => {
  const { settings, client, send, taken, posted } = pair();
  for (const tenant of ["a", "b"]) settings.set(tenant, tenantSettings(COUNTS));
  await send("a");
  await send("b");
  settings.set("a", tenantSettings(COUNTS));
  await send("a");
  expect(posted).toEqual(["generator-settings"]);
  settings.set("b", tenantSettings({ ...COUNTS, maxActiveSeries: 9 }));
  await send("b");
  expect(posted).toHaveLength(2);
  await client.flush();
  expect(taken("a")).toEqual([2]);
  await client.flush();
  expect(taken("b")).toEqual([1]);
});

test("a tenant that is to have none any more, or has sent nothing for long, is forgotten", async () => {
  const { settings, send, after, figures } = pair();
  settings.set("a", tenantSettings(COUNTS));
  settings.set("b", tenantSettings(COUNTS));
  await send("a");
  await send("b");
  settings.delete("a");
  await send("a");
  await after(15_000);
  expect([...figures().keys()]).toEqual(["b"]);
  await after(1_000_000);
  expect(figures().get("b")?.series.active).toBe(0);
  await after(5000);
  expect(figures().size).toBe(0);
});

test("nothing is asked of a generator that was never told anything", async () => {
  const { client, send, posted } = pair();
  await send("a");
  await client.flush();
  expect(posted).toEqual([]);
});

test("a fault of one tenant's is told, and others' spans are counted", async () => {
  const { settings, send, taken, after, failures } = pair();
  const pattern = { type: "regex", attributes: [{ of: "name", key: "", value: "(" }] } as const;
  const filterPolicies = [{ include: pattern, includeAny: undefined, exclude: undefined }];
  settings.set("bad", tenantSettings({ spanMetrics: spanMetrics({ filterPolicies }) }));
  settings.set("good", tenantSettings(COUNTS));
  await send("bad");
  await send("good");
  await after(15_000);
  expect(taken("good")).toEqual([1]);
  expect(failures).toHaveLength(1);
});

test("many spans are counted with pauses, and not beyond the end of their tenant's metrics", () => {
  const endUnixNano = BigInt(START) * 1_000_000n;
  const span = aSpan({ startUnixNano: endUnixNano, endUnixNano, resource: aService("shop") });
  const batch = batchOf(Array.from({ length: 20_000 }, () => span));
  const counted = (steps: number): unknown[] => {
    const metrics = new TenantMetrics("t", tenantSettings(COUNTS), PARTS, START);
    const observing = metrics.observe({ batch, skipped: [], bytes: 0 }, START);
    for (let step = 0; step < steps; step++) observing.next();
    const values = Object.values(valuesOf(metrics.tick(START, true)));
    metrics.close();
    for (const _ of observing);
    return [...values, ...Object.values(valuesOf(metrics.tick(START, true)))];
  };
  expect(counted(1)).toEqual([8192, 8192]);
  expect(counted(4)).toEqual([20_000, 20_000]);
});

test("what was closed while its samples were taken gives its series back once", () => {
  const budgets = { series: new Budget(1000), edges: new Budget(1000) };
  const metrics = new TenantMetrics("t", tenantSettings(COUNTS), { ...PARTS, budgets }, START);
  const endUnixNano = BigInt(START) * 1_000_000n;
  const span = aSpan({ startUnixNano: endUnixNano, endUnixNano, resource: aService("shop") });
  observe(metrics, { batch: batchOf([span]) }, START);
  expect(budgets.series.used).toBe(1);
  const taking = metrics.tick(START + 1_000_000, true);
  taking.next();
  metrics.close();
  for (const _ of taking);
  expect(budgets.series.used).toBe(0);
});
