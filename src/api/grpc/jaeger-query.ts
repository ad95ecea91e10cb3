import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import {
  QueryService,
  type TraceQueryParameters,
} from "../../../gen/jaeger/api_v3/query_service_pb.ts";
import { PintailError } from "../../errors.ts";
import { serviceDependencies } from "../../query/dependencies.ts";
import { traceById } from "../../query/trace-by-id.ts";
import { parseTraceId } from "../http/trace-id-param.ts";
import { jaegerOperations, jaegerServices } from "../jaeger-operations.ts";
import { findJaegerTraces } from "../jaeger-search.ts";
import { type JaegerV3Query, jaegerV3Range, jaegerV3Search } from "../jaeger-v3-search.ts";
import { nanosOf } from "./message-nanos.ts";
import { streamingCall, unaryCall } from "./streaming-call.ts";
import type { StreamingQuerierParts } from "./streaming-querier.ts";
import { tracePackets } from "./trace-packets.ts";

/** `jaeger.api_v3.QueryService`: Jaeger's query API, its traces as OTLP. */
export function jaegerQuery(parts: StreamingQuerierParts): (router: ConnectRouter) => void {
  return (router) => {
    router.service(QueryService, calls(parts));
  };
}

function calls(parts: StreamingQuerierParts): ServiceImpl<typeof QueryService> {
  const { engine, maxPacketBytes } = parts;
  return {
    getTrace: (message, context) =>
      streamingCall(parts, context, async function* (tenants, signal) {
        if (message.traceId === "") throw new PintailError("invalid", "trace_id is required");
        const traceId = parseTraceId(message.traceId);
        const startUnixNano = nanosOf("start_time", message.startTime);
        const endUnixNano = nanosOf("end_time", message.endTime);
        const range = { startUnixNano, endUnixNano };
        const { trace, exceededBytes } = await traceById(engine, {
          tenants,
          traceId,
          signal,
          ...range,
        });
        if (exceededBytes !== undefined) {
          const message = `trace exceeds max size (max bytes: ${exceededBytes})`;
          throw new PintailError("trace_too_large", message);
        }
        if (trace.resourceSpans.length === 0) {
          throw new PintailError("not_found", "trace not found");
        }
        yield* tracePackets(trace, maxPacketBytes);
      }),
    findTraces: (message, context) =>
      streamingCall(parts, context, async function* (tenants, signal) {
        if (message.query === undefined) throw new PintailError("invalid", "query is required");
        const search = jaegerV3Search(v3Query(message.query));
        for (const traceId of await findJaegerTraces({ engine, tenants, signal }, search)) {
          // A list of what was found may show a part of a trace that is too large.
          const { trace } = await traceById(engine, { tenants, traceId, signal });
          if (trace.resourceSpans.length > 0) yield* tracePackets(trace, maxPacketBytes);
        }
      }),
    getServices: (_message, context) =>
      unaryCall(parts, context, async (tenants, signal) => ({
        services: await jaegerServices({ engine, tenants, signal }),
      })),
    getOperations: ({ service, spanKind }, context) =>
      unaryCall(parts, context, async (tenants, signal) => {
        if (service === "") throw new PintailError("invalid", "service is required");
        const asker = { engine, tenants, signal };
        return { operations: await jaegerOperations(asker, service, spanKind) };
      }),
    getDependencies: (message, context) =>
      unaryCall(parts, context, async (tenants, signal) => {
        const range = jaegerV3Range("start_time", "end_time", {
          startUnixNano: nanosOf("start_time", message.startTime),
          endUnixNano: nanosOf("end_time", message.endTime),
        });
        const found = await serviceDependencies(engine, { tenants, range, signal });
        const dependencies = found.map(({ parent, child, callCount }) => ({
          parent,
          child,
          callCount: BigInt(callCount),
        }));
        return { dependencies };
      }),
  };
}

function v3Query(query: TraceQueryParameters): JaegerV3Query {
  return {
    service: query.serviceName,
    operation: query.operationName,
    attributes: Object.entries(query.attributes),
    startUnixNano: nanosOf("query.start_time_min", query.startTimeMin),
    endUnixNano: nanosOf("query.start_time_max", query.startTimeMax),
    minNanos: nanosOf("query.duration_min", query.durationMin),
    maxNanos: nanosOf("query.duration_max", query.durationMax),
    searchDepth: query.searchDepth,
    hasFilter: query.filter !== undefined,
  };
}
