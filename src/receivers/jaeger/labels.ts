import type { ReceiverLabels } from "../shared/push-outcome.ts";

/** The Collector's names for the ways in. */
export type JaegerTransport =
  | "grpc"
  | "collector_http"
  | "udp_thrift_binary"
  | "udp_thrift_compact";

export function jaegerLabels(transport: JaegerTransport): ReceiverLabels {
  return { receiver: "jaeger/jaeger_receiver", transport };
}
