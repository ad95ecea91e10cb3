import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { QueryService } from "../../../gen/jaeger/api_v3/query_service_pb.ts";
import type { StreamingQuerierParts } from "./streaming-querier.ts";

/**
 * `jaeger.api_v3.QueryService`: Jaeger's query API, its traces as OTLP. What answers is loaded when
 * the first call comes.
 */
export function jaegerQuery(parts: StreamingQuerierParts): (router: ConnectRouter) => void {
  let loading: Promise<ServiceImpl<typeof QueryService>> | undefined;
  const calls = (): Promise<ServiceImpl<typeof QueryService>> => {
    loading ??= import("./jaeger-query-calls.ts").then((module) => module.jaegerQueryCalls(parts));
    return loading;
  };
  return (router) => {
    router.service(QueryService, {
      getTrace: async function* (message, context) {
        yield* (await calls()).getTrace(message, context);
      },
      findTraces: async function* (message, context) {
        yield* (await calls()).findTraces(message, context);
      },
      getServices: async (message, context) => (await calls()).getServices(message, context),
      getOperations: async (message, context) => (await calls()).getOperations(message, context),
      getDependencies: async (message, context) =>
        (await calls()).getDependencies(message, context),
    });
  };
}
