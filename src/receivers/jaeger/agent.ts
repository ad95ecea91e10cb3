import { BodyEncoding, BodyFormat, type Ingest } from "../../ingest/ingest.ts";
import { writeTenant } from "../../server/tenant.ts";
import { pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import { jaegerLabels } from "./labels.ts";
import type { UdpReceiverSettings } from "./settings.ts";

/** What a UDP socket needs of the agent. */
export type JaegerAgent = {
  /** Stores a datagram, or counts and logs why not. Resolves when either is done; never rejects. */
  onPacket(packet: Uint8Array): Promise<void>;
  /** A datagram was dropped because too many wait. */
  onDropped(): void;
};

const PROTOCOLS = {
  compact: { format: BodyFormat.jaegerAgentCompact, transport: "udp_thrift_compact" },
  binary: { format: BodyFormat.jaegerAgentBinary, transport: "udp_thrift_binary" },
} as const;

/**
 * Jaeger's agent: each datagram is one Thrift message. Nobody is told what becomes of it, and it can
 * name no tenant, so with multi-tenancy all are dropped.
 */
export function jaegerAgent(
  ingest: Ingest,
  protocol: keyof typeof PROTOCOLS,
  settings: UdpReceiverSettings,
  deps: ReceiverDeps,
): JaegerAgent {
  const { format, transport } = PROTOCOLS[protocol];
  const labels = jaegerLabels(transport);
  const outcome = pushOutcome(labels, deps);
  const dropped = deps.metrics.counter({
    name: "pintail_receiver_dropped_packets_total",
    help: "Number of datagrams that were dropped because too many were waiting to be stored.",
    labels: ["receiver", "transport"],
  });
  dropped.inc(labels, 0);
  return {
    async onPacket(packet) {
      try {
        const { spanCount } = await ingest.push({
          tenant: writeTenant([], deps.multitenancyEnabled),
          format,
          encoding: BodyEncoding.identity,
          body: packet,
          maxDecodedBytes: settings.maxPacketBytes,
        });
        outcome.accepted(spanCount);
      } catch (error) {
        outcome.refused(error);
      }
    },
    onDropped() {
      dropped.inc(labels, 1);
    },
  };
}
