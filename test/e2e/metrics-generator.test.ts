import { afterAll, beforeAll, expect, test } from "vitest";
import { Span_SpanKind } from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { eventually, metric } from "../support/e2e-answers.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { type RemoteWriteSink, startRemoteWriteSink } from "../support/remote-write-sink.ts";

let sink: RemoteWriteSink;
let pintail: PintailProcess;

beforeAll(async () => {
  sink = await startRemoteWriteSink();
  pintail = await PintailProcess.start({
    extraYaml: `
multitenancy_enabled: true
metrics_generator:
  registry: { collection_interval: 1s, external_labels: { source: pintail } }
  storage:
    path: /nowhere
    remote_write: [{ url: "${sink.url}", headers: { x-own: "1" } }]
overrides:
  defaults: { metrics_generator: { processors: [span-metrics, service-graphs, local-blocks] } }
`,
  });
});
afterAll(async () => {
  await pintail.remove();
  await sink.close();
});

const Kind = { server: Span_SpanKind.SERVER, client: Span_SpanKind.CLIENT };

/** A client's span and the server's that it called. */
function callBody(trace: number): Uint8Array {
  const end = BigInt(Date.now()) * 1_000_000n;
  const traceId = hex(trace.toString(16).padStart(32, "e"));
  const side = (spanId: string, kind: Span_SpanKind, parent?: string) =>
    aSpan({
      traceId,
      spanId: hex(spanId),
      name: "call",
      kind,
      startTimeUnixNano: end - 200_000_000n,
      endTimeUnixNano: end,
      ...(parent === undefined ? {} : { parentSpanId: hex(parent) }),
    });
  const [client, server] = ["00000000000000a1", "00000000000000a2"] as const;
  const request = aRequest([side(client, Kind.client)], { service: "shop" });
  const { resourceSpans } = aRequest([side(server, Kind.server, client)], { service: "cart" });
  request.resourceSpans.push(...resourceSpans);
  return encodeRequest(request);
}

/** The last value of each series that the tenant's requests name, without buckets. */
function received(tenant: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const { headers, request } of sink.requests) {
    if (headers["x-scope-orgid"] !== tenant) continue;
    for (const { labels, samples } of request.timeseries) {
      const of = (name: string) => labels.find((label) => label.name === name)?.value ?? "";
      const name = of("__name__");
      if (name.endsWith("_bucket")) continue;
      const key = [name, of("client") || of("service"), of("server"), of("source")].join(" ");
      for (const { value } of samples) values[key] = value;
    }
  }
  return values;
}

const push = (tenant: string, trace: number, more: Record<string, string> = {}) =>
  pintail.push(callBody(trace), {
    "content-type": "application/x-protobuf",
    "x-scope-orgid": tenant,
    ...more,
  });

test("spans become span metrics and edges of the service graph at the endpoint, by tenant", async () => {
  expect((await push("red", 1)).status).toBe(200);
  expect((await push("red", 2, { "no-generate-metrics": "" })).status).toBe(200);
  expect((await push("blue", 3)).status).toBe(200);
  expect((await push("blue", 4)).status).toBe(200);
  const total = "traces_service_graph_request_total shop cart pintail";
  await eventually(
    "edges of both tenants",
    async () => ({ blue: received("blue")[total], red: received("red")[total] }),
    ({ blue, red }) => blue === 2 && red === 1,
  );
  expect(received("red")).toMatchObject({
    "traces_service_graph_request_server_seconds_sum shop cart pintail": 0.2,
    "traces_spanmetrics_calls_total shop  pintail": 1,
    "traces_spanmetrics_calls_total cart  pintail": 1,
    "traces_spanmetrics_latency_count shop  pintail": 1,
  });
  const [first] = sink.requests;
  expect(first?.headers).toMatchObject({
    "x-own": "1",
    "x-prometheus-remote-write-version": "0.1.0",
  });
  const examples = sink.requests.flatMap(({ request }) =>
    request.timeseries.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels[0])),
  );
  expect(examples).toContainEqual(
    expect.objectContaining({ name: "traceID", value: "1".padStart(32, "e") }),
  );
});

test.each<[string, string, number]>([
  ["tempo_metrics_generator_spans_received_total", 'tenant="red"', 4],
  ["tempo_metrics_generator_metrics_generation_skipped_processor_pushes_total", 'tenant="red"', 1],
  ["tempo_metrics_generator_active_processors", 'tenant="blue",processor="service-graphs"', 1],
  ["tempo_metrics_generator_processor_service_graphs_edges", 'tenant="blue"', 2],
])("the server tells of what it has derived: %s", async (name, labels, value) => {
  await eventually(
    name,
    () => metric(pintail, name, labels),
    (found) => found === value,
  );
});

test("the server tells of what it has sent", async () => {
  const text = await (await pintail.get("/metrics")).text();
  expect(text).toMatch(/prometheus_remote_storage_samples_total\{[^}]*tenant="blue"\} [1-9]/);
});

test("what was counted last is sent before the process ends", async () => {
  expect((await push("late", 9)).status).toBe(200);
  expect(await pintail.stop()).toBe(0);
  expect(received("late")["traces_service_graph_request_total shop cart pintail"]).toBe(1);
});
