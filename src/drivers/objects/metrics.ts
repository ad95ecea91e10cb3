import type { MetricRegistry } from "../../telemetry/metrics.ts";
import type { ObservedRequest } from "./store-parts.ts";

/** `onRequest` of a store whose requests are counted in `registry` under the name `backend`. */
export function countRequests(
  registry: MetricRegistry,
  backend: string,
): (request: ObservedRequest) => void {
  const requests = registry.counter({
    name: "pintail_object_store_requests_total",
    help: "Requests to the object store, each try counted, by how they ended.",
    labels: ["backend", "operation", "outcome"],
  });
  const bytes = registry.counter({
    name: "pintail_object_store_bytes_total",
    help: "Bytes of bodies sent to and received from the object store.",
    labels: ["backend", "operation", "direction"],
  });
  const seconds = registry.histogram({
    name: "pintail_object_store_request_seconds",
    help: "Time of requests to the object store, each try counted.",
    labels: ["backend", "operation"],
  });
  return ({ operation, outcome, durationMs, sentBytes, receivedBytes }) => {
    requests.inc({ backend, operation, outcome });
    if (sentBytes > 0) bytes.inc({ backend, operation, direction: "sent" }, sentBytes);
    if (receivedBytes > 0) bytes.inc({ backend, operation, direction: "received" }, receivedBytes);
    seconds.observe({ backend, operation }, durationMs / 1000);
  };
}
