import { beforeEach, expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import { BodyEncoding, BodyFormat } from "../../../src/ingest/ingest.ts";
import { jaegerAgent } from "../../../src/receivers/jaeger/agent.ts";
import { FakeIngest, otlpDeps } from "../otlp/support.ts";

const SETTINGS = {
  endpoint: "localhost:6831",
  queueSize: 10,
  maxPacketBytes: 65_000,
  socketBufferBytes: 0,
};
const PACKET = new Uint8Array([1, 2, 3]);

let ingest: FakeIngest;
beforeEach(() => {
  ingest = new FakeIngest();
});

test.each([
  ["compact", BodyFormat.jaegerAgentCompact, "udp_thrift_compact"],
  ["binary", BodyFormat.jaegerAgentBinary, "udp_thrift_binary"],
] as const)(
  "a %s datagram is pushed as it came and counted",
  async (protocol, format, transport) => {
    const deps = otlpDeps();
    const agent = jaegerAgent(ingest, protocol, SETTINGS, deps);
    await agent.onPacket(PACKET);
    expect(ingest.pushes).toEqual([
      {
        tenant: "single-tenant",
        format,
        encoding: BodyEncoding.identity,
        body: PACKET,
        maxDecodedBytes: 65_000,
      },
    ]);
    const labels = `{receiver="jaeger/jaeger_receiver",transport="${transport}"}`;
    expect(deps.metrics.render()).toContain(`tempo_receiver_accepted_spans${labels} 2`);
    expect(deps.metrics.render()).toContain(`pintail_receiver_dropped_packets_total${labels} 0`);
    agent.onDropped();
    expect(deps.metrics.render()).toContain(`pintail_receiver_dropped_packets_total${labels} 1`);
  },
);

test("what is refused is counted, and nobody is told", async () => {
  ingest.failure = new PintailError("malformed", "no message");
  const deps = otlpDeps();
  await jaegerAgent(ingest, "compact", SETTINGS, deps).onPacket(PACKET);
  expect(deps.metrics.render()).toContain(
    'pintail_receiver_refused_requests_total{receiver="jaeger/jaeger_receiver",transport="udp_thrift_compact",code="13"} 1',
  );
});

test("with multi-tenancy all are dropped, since none can name a tenant", async () => {
  const deps = otlpDeps(true);
  await jaegerAgent(ingest, "binary", SETTINGS, deps).onPacket(PACKET);
  expect(ingest.pushes).toEqual([]);
  expect(deps.metrics.render()).toContain(
    'pintail_receiver_refused_requests_total{receiver="jaeger/jaeger_receiver",transport="udp_thrift_binary",code="14"} 1',
  );
});
