import { randomBytes } from "node:crypto";
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { ProcessSchema, SpanSchema } from "../../gen/jaeger/api_v2/model_pb.ts";
import { ExportTraceServiceRequestSchema } from "../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { eventually, foundIds, metric, spansOf } from "./e2e-answers.ts";
import { aJaegerSpan, protobufProcess, protobufSpan } from "./jaeger-builder.ts";
import type { Compression, KafkaCluster, KafkaMessage } from "./kafka-cluster.ts";
import { aRequest, aSpan, hex } from "./otlp-builder.ts";
import { PintailProcess, type StartOptions } from "./pintail-process.ts";
import { aZipkinSpan, json, v1Thrift, v2Protobuf } from "./zipkin-builder.ts";

/** Names that no other run of the tests uses: topics of a real broker stay. */
export const uniqueName = (what: string): string =>
  `pintail-${what}-${randomBytes(6).toString("hex")}`;

export const newTraceId = (): string => randomBytes(16).toString("hex");

/** One OTLP span of now. */
export function otlpSpan(traceId: string, spanId = randomBytes(8).toString("hex")) {
  const startTimeUnixNano = BigInt(Date.now()) * 1_000_000n;
  return aRequest([
    aSpan({
      traceId: hex(traceId),
      spanId: hex(spanId),
      startTimeUnixNano,
      endTimeUnixNano: startTimeUnixNano + 1000n,
    }),
  ]);
}

export function otlpMessage(traceId: string, more: Partial<KafkaMessage> = {}): KafkaMessage {
  return { value: toBinary(ExportTraceServiceRequestSchema, otlpSpan(traceId)), ...more };
}

export type ReceiverOptions = {
  readonly name?: string;
  readonly topics: string;
  readonly group: string;
  readonly encoding?: string;
  readonly more?: string;
};

/** YAML of one receiver that begins at the first offset. */
export function receiverYaml(broker: string, options: ReceiverOptions): string {
  const { name = "kafka", topics, group, encoding = "otlp_proto", more = "" } = options;
  return `${name}:
  brokers: ["${broker}"]
  group_id: ${group}
  initial_offset: earliest
  traces: { topics: ["${topics}"], encoding: ${encoding} }
  autocommit: { interval: 200ms }
${more}`;
}

const JAEGER_PROCESS = protobufProcess({ service: "shop", tags: [] });
const jaegerMessage = (traceId: string) =>
  create(SpanSchema, {
    ...protobufSpan(aJaegerSpan({ traceId, startMicros: BigInt(Date.now()) * 1000n })),
    process: create(ProcessSchema, JAEGER_PROCESS),
  });
const zipkinSpan = (traceId: string) => aZipkinSpan({ traceId, timestamp: Date.now() * 1000 });
const thriftSpan = (traceId: string) => ({
  traceIdHigh: traceId.slice(0, 16),
  traceId: traceId.slice(16),
  id: "b7ad6b7169203331",
  name: "get /",
  timestamp: Date.now() * 1000,
});
const utf8 = (text: string) => new TextEncoder().encode(text);

/** The value of a record with one span of that trace, by encoding. */
export const ENCODED: Readonly<Record<string, (traceId: string) => Uint8Array>> = {
  otlp_proto: (id) => toBinary(ExportTraceServiceRequestSchema, otlpSpan(id)),
  // Ids in OTLP/JSON are hex.
  otlp_json: (id) =>
    utf8(
      JSON.stringify({
        resourceSpans: [
          {
            scopeSpans: [
              {
                spans: [
                  {
                    traceId: id,
                    spanId: "b7ad6b7169203331",
                    startTimeUnixNano: `${Date.now()}000000`,
                  },
                ],
              },
            ],
          },
        ],
      }),
    ),
  jaeger_proto: (id) => toBinary(SpanSchema, jaegerMessage(id)),
  jaeger_json: (id) => utf8(toJsonString(SpanSchema, jaegerMessage(id))),
  zipkin_proto: (id) => v2Protobuf([zipkinSpan(id)]),
  zipkin_json: (id) => json([zipkinSpan(id)]),
  zipkin_thrift: (id) => v1Thrift([thriftSpan(id)]),
};

/** Waits until each of the traces has its one span. */
export async function eventuallyFound(
  pintail: PintailProcess,
  traceIds: readonly string[],
  headers: Record<string, string> = {},
): Promise<void> {
  for (const traceId of traceIds) {
    await eventually(
      `trace ${traceId}`,
      () => spansOf(pintail, traceId, headers),
      (spans) => spans.length === 1,
    );
  }
}

/** What holds for any cluster. `open` gives one that is empty as far as these names go. */
export function kafkaSuite(open: () => Promise<KafkaCluster>): void {
  let cluster: KafkaCluster;
  const running: PintailProcess[] = [];
  beforeAll(async () => {
    cluster = await open();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((pintail) => pintail.remove()));
  });
  afterAll(() => cluster.close());

  const start = async (options: StartOptions): Promise<PintailProcess> => {
    const pintail = await PintailProcess.start(options);
    running.push(pintail);
    return pintail;
  };
  const committed = (group: string, topic: string, offsets: readonly bigint[]) =>
    eventually(
      `offsets of ${topic}`,
      async () => (await cluster.committed(group, topic, offsets.length)).map(String),
      (found) => found.join() === offsets.join(),
    );

  it("stores spans in every encoding, each from a receiver of its own", async () => {
    const topic = (encoding: string) => `${prefix}-${encoding}`;
    const prefix = uniqueName("encodings");
    const traces = Object.keys(ENCODED).map((encoding) => [encoding, newTraceId()] as const);
    for (const [encoding, traceId] of traces) {
      await cluster.createTopic(topic(encoding), 1);
      await cluster.produce(topic(encoding), [{ value: ENCODED[encoding]!(traceId) }]);
    }
    const receivers = traces.map(([encoding]) =>
      receiverYaml(cluster.broker, {
        name: `kafka/${encoding}`,
        topics: topic(encoding),
        group: prefix,
        encoding,
      }),
    );
    const pintail = await start({ receivers: receivers.join("") });
    await eventuallyFound(
      pintail,
      traces.map(([, traceId]) => traceId),
    );
    const label = 'receiver="kafka/kafka_receiver"';
    expect(await metric(pintail, "tempo_receiver_accepted_spans", label)).toBe(traces.length);
    // From the write-ahead log, where each record has the format it came in.
    await pintail.kill();
    const again = await start({ dir: pintail.dir });
    await eventuallyFound(
      again,
      traces.map(([, traceId]) => traceId),
    );
  });

  it("reads batches in every compression", async () => {
    const topic = uniqueName("compressions");
    await cluster.createTopic(topic, 1);
    const traceIds: string[] = [];
    for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as Compression[]) {
      const ids = Array.from({ length: 20 }, newTraceId);
      await cluster.produce(
        topic,
        ids.map((id) => otlpMessage(id)),
        compression,
      );
      traceIds.push(...ids);
    }
    const pintail = await start({
      receivers: receiverYaml(cluster.broker, { topics: topic, group: topic }),
    });
    await eventuallyFound(pintail, traceIds);
    await committed(topic, topic, [100n]);
  });

  it("leaves out what cannot be decoded, counts it, and goes on behind it", async () => {
    const topic = uniqueName("garbage");
    await cluster.createTopic(topic, 1);
    const [first, last] = [newTraceId(), newTraceId()];
    await cluster.produce(topic, [
      otlpMessage(first),
      { value: utf8("this is no span") },
      { value: undefined },
      { value: new Uint8Array(0) },
      { value: randomBytes(10_000) },
      otlpMessage(last),
    ]);
    const pintail = await start({
      receivers: receiverYaml(cluster.broker, { topics: topic, group: topic }),
    });
    await eventuallyFound(pintail, [first, last]);
    await committed(topic, topic, [6n]);
    const label = 'receiver="kafka/kafka_receiver"';
    expect(await metric(pintail, "pintail_receiver_refused_requests_total", label)).toBe(2);
    expect(await metric(pintail, "pintail_receiver_kafka_lag_records")).toBe(0);
  });

  it("takes the tenant from a record's header, and leaves out records without one", async () => {
    const topic = uniqueName("tenants");
    await cluster.createTopic(topic, 1);
    const [a, b, none] = [newTraceId(), newTraceId(), newTraceId()];
    await cluster.produce(topic, [
      otlpMessage(a, { headers: { "X-Scope-OrgID": "a" } }),
      otlpMessage(none),
      otlpMessage(b, { headers: { other: "x", "x-scope-orgid": "b" } }),
    ]);
    const pintail = await start({
      receivers: receiverYaml(cluster.broker, { topics: topic, group: topic }),
      extraYaml: "multitenancy_enabled: true\n",
    });
    await eventuallyFound(pintail, [a], { "x-scope-orgid": "a" });
    await eventuallyFound(pintail, [b], { "x-scope-orgid": "b" });
    const query = { headers: { "x-scope-orgid": "a" } };
    expect(await foundIds(pintail, "{}", query)).toEqual([a]);
    await committed(topic, topic, [3n]);
  });

  it("loses nothing when it is killed again and again, and finds each span once", async () => {
    const topic = uniqueName("kills");
    await cluster.createTopic(topic, 3);
    const ledger: string[] = [];
    const produce = async (): Promise<void> => {
      const ids = Array.from({ length: 60 }, newTraceId);
      await cluster.produce(
        topic,
        ids.map((id, i) => otlpMessage(id, { partition: i % 3 })),
      );
      ledger.push(...ids);
    };
    // Commits come late, so that each kill is between a push and its commit.
    const receivers = receiverYaml(cluster.broker, {
      topics: topic,
      group: topic,
      more: "  session_timeout: 6s\n  heartbeat_interval: 1s\n",
    }).replace("interval: 200ms", "interval: 700ms");
    let pintail = await start({ receivers });
    const { dir } = pintail;
    for (let round = 0; round < 3; round++) {
      await produce();
      await eventually(
        "spans",
        () => metric(pintail, "tempo_receiver_accepted_spans", "kafka"),
        (count) => count >= 60,
      );
      await pintail.kill();
      await produce();
      pintail = await start({ receivers, dir });
    }
    await committed(topic, topic, [120n, 120n, 120n]);
    const found = await foundIds(pintail, "{}", { params: "&limit=10000" });
    expect(found).toEqual([...ledger].sort());
    await eventuallyFound(pintail, ledger.slice(0, 60));
    // What was read twice is stored twice, and found once; metrics count both.
  }, 120_000);

  it("commits what is stored when it is stopped, and goes on there", async () => {
    const topic = uniqueName("stop");
    await cluster.createTopic(topic, 1);
    // Never by the clock, only at the end.
    const receivers = receiverYaml(cluster.broker, { topics: topic, group: topic }).replace(
      "interval: 200ms",
      "interval: 1h",
    );
    const ids = Array.from({ length: 10 }, newTraceId);
    await cluster.produce(
      topic,
      ids.map((id) => otlpMessage(id)),
    );
    const pintail = await start({ receivers });
    await eventuallyFound(pintail, ids);
    expect(await pintail.stop()).toBe(0);
    await committed(topic, topic, [10n]);
    const later = newTraceId();
    await cluster.produce(topic, [otlpMessage(later)]);
    const again = await start({ receivers, dir: pintail.dir });
    await eventuallyFound(again, [later]);
    expect(await metric(again, "tempo_receiver_accepted_spans", "kafka")).toBe(1);
  });

  it("reads all topics of a pattern, and those without an offset from the end", async () => {
    const prefix = uniqueName("pattern");
    for (const name of ["a", "b", "skipped"]) await cluster.createTopic(`${prefix}-${name}`, 1);
    const [a, b, skipped, before] = Array.from({ length: 4 }, newTraceId) as Four;
    await cluster.produce(`${prefix}-a`, [otlpMessage(before)]);
    const pintail = await start({
      receivers: `kafka:
  brokers: ["${cluster.broker}"]
  group_id: ${prefix}
  traces: { topics: ["^${prefix}-.*"], exclude_topics: ["-skipped$"] }
  autocommit: { enable: false }
`,
    });
    await committed(prefix, `${prefix}-a`, [1n]);
    await committed(prefix, `${prefix}-b`, [0n]);
    await cluster.produce(`${prefix}-a`, [otlpMessage(a)]);
    await cluster.produce(`${prefix}-b`, [otlpMessage(b)]);
    await cluster.produce(`${prefix}-skipped`, [otlpMessage(skipped)]);
    await eventuallyFound(pintail, [a, b]);
    expect(await foundIds(pintail, "{}")).toEqual([a, b].sort());
    await committed(prefix, `${prefix}-a`, [2n]);
  });
}

type Four = [string, string, string, string];
