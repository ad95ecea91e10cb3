import { expect, test } from "vitest";
import { Budget } from "../../src/metrics-generator/budget.ts";
import type { ServiceGraphSettings } from "../../src/metrics-generator/settings.ts";
import { TenantMetrics } from "../../src/metrics-generator/tenant-metrics.ts";
import {
  aResource,
  aService,
  aSpan,
  batchOf,
  spanIdOf,
  traceIdOf,
} from "../support/batch-builder.ts";
import type { PlainAttribute, PlainSpan } from "../support/read-batch.ts";
import { observe, PARTS, serviceGraphs, tenantSettings } from "./generator-settings.ts";
import { valuesOf } from "./written-series.ts";

const NOW = 1_767_225_645_500;
const END = BigInt(NOW) * 1_000_000n;
const Kind = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };

type Made = { id?: number; parent?: number; ms?: number; trace?: number } & Partial<PlainSpan>;

/** Ended now. */
function span(
  service: string,
  kind: number,
  { id = 1, parent, ms = 0, trace = 1, ...over }: Made = {},
): PlainSpan {
  return aSpan({
    traceId: traceIdOf(trace),
    spanId: spanIdOf(id),
    parentSpanId: parent === undefined ? "" : spanIdOf(parent),
    kind,
    startUnixNano: END - BigInt(Math.round(ms * 1e6)),
    endUnixNano: END,
    resource: service === "" ? aResource() : aService(service),
    ...over,
  });
}

function graph(over: Partial<ServiceGraphSettings> = {}) {
  const settings = tenantSettings({ serviceGraphs: serviceGraphs(over) });
  const metrics = new TenantMetrics("t", settings, PARTS, NOW);
  return {
    metrics,
    take: (...spans: PlainSpan[]): void => observe(metrics, { batch: batchOf(spans) }, NOW),
    values: (nowMs = NOW) => valuesOf(metrics.tick(nowMs, true)),
    figures: () => metrics.figures.serviceGraphs,
  };
}

/** Without the buckets. */
function main(values: Record<string, number | undefined>) {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([name]) => !name.includes("_bucket"))
      .map(([name, value]) => [name.replace("traces_service_graph_request_", ""), value]),
  );
}

test("a client's span and the server's make an edge, whichever comes first, in one batch or two", () => {
  const { take, values, figures } = graph();
  take(
    span("shop", Kind.client, { id: 2, ms: 300 }),
    span("cart", Kind.server, { id: 3, parent: 2, ms: 200, status: 2 }),
    span("shop", Kind.internal, { id: 4 }),
  );
  take(span("cart", Kind.server, { id: 3, parent: 2, ms: 50, trace: 2 }));
  take(span("shop", Kind.client, { id: 2, ms: 60, trace: 2 }));
  const labels = 'client="shop",server="cart"';
  const found = values();
  expect(main(found)).toEqual({
    [`total{${labels}}`]: 2,
    [`failed_total{${labels}}`]: 1,
    [`server_seconds_sum{${labels}}`]: 0.25,
    [`server_seconds_count{${labels}}`]: 2,
    [`client_seconds_sum{${labels}}`]: 0.36,
    [`client_seconds_count{${labels}}`]: 2,
  });
  expect(
    found[
      'traces_service_graph_request_server_seconds_bucket{client="shop",le="0.1",server="cart"}'
    ],
  ).toBe(1);
  expect(figures()).toMatchObject({ edges: 2, expiredEdges: 0 });
});

test("a message is an edge, with the time that it was under way", () => {
  const { take, values } = graph({ messagingSystemLatency: true });
  take(
    span("shop", Kind.producer, {
      id: 2,
      endUnixNano: END - 500_000_000n,
      startUnixNano: END - 600_000_000n,
    }),
    span("mail", Kind.consumer, { id: 3, parent: 2, ms: 100 }),
  );
  const labels = 'client="shop",connection_type="messaging_system",server="mail"';
  expect(main(values())).toMatchObject({
    [`total{${labels}}`]: 1,
    [`messaging_system_seconds_sum{${labels}}`]: 0.4,
    [`client_seconds_sum{${labels}}`]: 0.1,
  });
});

test.each<[string, PlainAttribute[]]>([
  ["orders", [{ key: "db.name", value: "orders" }]],
  [
    "orders",
    [
      { key: "db.system", value: "postgresql" },
      { key: "db.namespace", value: "orders" },
    ],
  ],
  [
    "pg",
    [
      { key: "db.name", value: "orders" },
      { key: "peer.service", value: "pg" },
    ],
  ],
  [
    "pg.local",
    [
      { key: "db.system", value: "x" },
      { key: "server.address", value: "pg.local" },
    ],
  ],
  [
    "10.0.0.1:5432",
    [
      { key: "db.system", value: "x" },
      { key: "network.peer.address", value: "10.0.0.1" },
      { key: "network.peer.port", value: 5432n },
    ],
  ],
])("a database is known by its client alone: %s", (name, attributes) => {
  const { take, values } = graph();
  take(span("shop", Kind.client, { ms: 20, attributes }));
  const labels = `client="shop",connection_type="database",server="${name}"`;
  expect(main(values())).toMatchObject({
    [`total{${labels}}`]: 1,
    [`server_seconds_sum{${labels}}`]: 0.02,
    [`client_seconds_sum{${labels}}`]: 0.02,
  });
});

test("whom nothing comes of is a virtual node when somebody names it, after a while", () => {
  const { take, values, figures, metrics } = graph({ virtualNodeLabel: true });
  take(
    span("web", Kind.server, { id: 1 }),
    span("web", Kind.server, {
      id: 2,
      trace: 2,
      attributes: [{ key: "peer.service", value: "app" }],
    }),
    span("web", Kind.client, {
      id: 3,
      trace: 3,
      attributes: [{ key: "peer.service", value: "mail" }],
    }),
    span("web", Kind.client, { id: 4, trace: 4 }),
    span("web", Kind.server, { id: 5, trace: 5, parent: 99 }),
  );
  for (const _ of metrics.tick(NOW + 9000, false));
  expect(figures()).toMatchObject({ edges: 5, expiredEdges: 0 });
  const totals = Object.entries(main(values(NOW + 12_000))).filter(([name]) =>
    name.startsWith("total"),
  );
  const type = 'connection_type="virtual_node"';
  expect(Object.fromEntries(totals)).toEqual({
    [`total{client="user",${type},server="web",virtual_node="client"}`]: 1,
    [`total{client="app",${type},server="web",virtual_node="client"}`]: 1,
    [`total{client="web",${type},server="mail",virtual_node="server"}`]: 1,
  });
  expect(figures()).toMatchObject({ expiredEdges: 2 });
});

test("dimensions are of the side that came last, or of both with their prefixes", () => {
  const spans = [
    span("shop", Kind.client, {
      id: 2,
      attributes: [
        { key: "zone", value: "a" },
        { key: "own.x", value: 1n },
      ],
    }),
    span("cart", Kind.server, { id: 3, parent: 2, attributes: [{ key: "zone", value: "b" }] }),
  ];
  const dimensions = ["zone", "own.x"];
  const names = (over: Partial<ServiceGraphSettings>) => {
    const { take, values } = graph({ dimensions, ...over });
    take(...spans);
    return Object.keys(main(values()))[0];
  };
  expect(names({})).toBe('total{client="shop",own_x="1",server="cart",zone="b"}');
  expect(names({ clientServerPrefix: true })).toBe(
    'total{client="shop",client_own_x="1",client_zone="a",server="cart",server_zone="b"}',
  );
});

test("more edges than may wait are dropped, and spans of nobody", () => {
  const { take, values, figures } = graph({ maxItems: 2 });
  take(
    span("", Kind.client, { id: 9 }),
    ...[1, 2, 3].map((id) => span("shop", Kind.client, { id })),
    span("cart", Kind.server, { id: 4, parent: 3 }),
    span("cart", Kind.server, { id: 4, parent: 2 }),
    span("shop", Kind.client, { id: 5 }),
  );
  expect(main(values())['total{client="shop",server="cart"}']).toBe(1);
  expect(figures()).toMatchObject({ edges: 3, droppedSpans: 2 });
});

test("edges of all tenants share one budget, which a tenant that is closed gives back", () => {
  const budgets = { ...PARTS.budgets, edges: new Budget(3) };
  const tenants = ["a", "b"].map(
    (tenant) =>
      new TenantMetrics(
        tenant,
        tenantSettings({ serviceGraphs: serviceGraphs() }),
        { ...PARTS, budgets },
        NOW,
      ),
  );
  for (const tenant of tenants) {
    const batch = batchOf([1, 2].map((id) => span("shop", Kind.client, { id })));
    observe(tenant, { batch }, NOW);
  }
  expect(tenants.map(({ figures }) => figures.serviceGraphs?.droppedSpans)).toEqual([0, 1]);
  expect(budgets.edges.used).toBe(3);
  for (const _ of tenants[1]!.tick(NOW + 12_000, false));
  expect(budgets.edges.used).toBe(2);
  tenants[0]!.close();
  expect(budgets.edges.used).toBe(0);
});

test("the other side of a span that a policy leaves out makes no edge", () => {
  const exclude = {
    type: "strict",
    attributes: [{ of: "resource", key: "service.name", value: "probe" }],
  } as const;
  const filterPolicies = [{ include: undefined, includeAny: undefined, exclude }];
  const { take, values, figures, metrics } = graph({ filterPolicies, virtualNodeLabel: true });
  const peer = [{ key: "peer.service", value: "shop" }];
  take(
    span("probe", Kind.client, { id: 1 }),
    span("shop", Kind.server, { id: 2, parent: 1 }),
    span("shop", Kind.client, { id: 3, attributes: peer }),
    span("probe", Kind.server, { id: 4, parent: 3 }),
    // Of a root nobody waits for the other side.
    span("probe", Kind.server, { id: 5 }),
    span("web", Kind.server, { id: 6 }),
  );
  const totals = Object.keys(main(values(NOW + 12_000))).filter((name) => name.startsWith("total"));
  expect(totals).toEqual([
    'total{client="user",connection_type="virtual_node",server="web",virtual_node="client"}',
  ]);
  expect(figures()).toMatchObject({ droppedEdges: 2 });
  expect(metrics.figures.processors[0]!.filtered).toBe(3);
});

test("edges weigh what their spans stand for", () => {
  const { take, values } = graph({ multiplier: { key: "rate", fromTraceState: false } });
  const attributes = [{ key: "rate", value: 0.1 }];
  take(
    span("shop", Kind.client, { id: 2, attributes, ms: 1000 }),
    span("cart", Kind.server, { id: 3, parent: 2, attributes }),
  );
  const found = main(values());
  expect(found['total{client="shop",server="cart"}']).toBe(10);
  expect(found['client_seconds_sum{client="shop",server="cart"}']).toBe(10);
});
