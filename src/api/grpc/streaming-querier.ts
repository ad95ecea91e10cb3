import type { ConnectRouter } from "@connectrpc/connect";
import { StreamingQuerier } from "../../../gen/tempopb/tempo_pb.ts";
import { instantRequest, rangeRequest } from "../../query/metrics/metrics-request.ts";
import type { QueryRouteParts } from "../http/route-context.ts";
import { metricsRules } from "../metrics-rules.ts";
import { searchRequest } from "../search-request.ts";
import { instantUpdates, rangeUpdates } from "../stream/metrics-updates.ts";
import { searchUpdates } from "../stream/search-updates.ts";
import { findTags, findTagsV2, findTagValues, findTagValuesV2 } from "../tag-questions.ts";
import { instantToMessage, rangeToMessage } from "../wire/metrics-message.ts";
import { searchResponseToMessage } from "../wire/search-response.ts";
import {
  tagsToMessage,
  tagsV2ToMessage,
  tagValuesToMessage,
  tagValuesV2ToMessage,
} from "../wire/tags-response.ts";
import { metricsCode } from "./metrics-code.ts";
import {
  instantQuery,
  rangeQuery,
  searchParams,
  tagsParams,
  tagValuesParams,
} from "./request-params.ts";
import {
  instantPackets,
  rangePackets,
  searchPackets,
  tagsPackets,
  tagsV2Packets,
  tagValuesPackets,
  tagValuesV2Packets,
} from "./response-packets.ts";
import { streamingCall } from "./streaming-call.ts";

export type StreamingQuerierParts = QueryRouteParts & {
  /** Largest message; results beyond it come in several. 0 = no bound. */
  readonly maxPacketBytes: number;
};

/** `tempopb.StreamingQuerier`: Tempo's query API as streams, which Grafana reads while they run. */
export function streamingQuerier(parts: StreamingQuerierParts): (router: ConnectRouter) => void {
  const { engine, maxPacketBytes } = parts;
  return (router) => {
    router.service(StreamingQuerier, {
      search: (message, context) =>
        streamingCall(parts, context, async function* (tenants, signal) {
          const params = searchParams(message);
          const { request, limits } = searchRequest(engine.context, params, tenants);
          for await (const update of searchUpdates(engine, request, signal)) {
            const result = update.type === "partial" ? update.partial : update.result;
            yield* searchPackets(searchResponseToMessage(result, limits), maxPacketBytes);
          }
        }),
      searchTags: (message, context) =>
        streamingCall(parts, context, async function* (tenants, signal) {
          const found = await findTags({ engine, params: tagsParams(message), tenants, signal });
          yield* tagsPackets(tagsToMessage(found), maxPacketBytes);
        }),
      searchTagsV2: (message, context) =>
        streamingCall(parts, context, async function* (tenants, signal) {
          const found = await findTagsV2({ engine, params: tagsParams(message), tenants, signal });
          yield* tagsV2Packets(tagsV2ToMessage(found), maxPacketBytes);
        }),
      searchTagValues: (message, context) =>
        streamingCall(parts, context, async function* (tenants, signal) {
          const question = { engine, params: tagValuesParams(message), tenants, signal };
          const found = await findTagValues(question, message.tagName);
          yield* tagValuesPackets(tagValuesToMessage(found), maxPacketBytes);
        }),
      searchTagValuesV2: (message, context) =>
        streamingCall(parts, context, async function* (tenants, signal) {
          const question = { engine, params: tagValuesParams(message), tenants, signal };
          const found = await findTagValuesV2(question, message.tagName);
          yield* tagValuesV2Packets(tagValuesV2ToMessage(found), maxPacketBytes);
        }),
      metricsQueryRange: (message, context) =>
        streamingCall(
          parts,
          context,
          async function* (tenants, signal) {
            const query = rangeRequest(rangeQuery(message), metricsRules(engine.context, tenants));
            for await (const update of rangeUpdates(engine, { tenants, ...query }, signal)) {
              const result = update.type === "partial" ? update.partial : update.result;
              yield* rangePackets(rangeToMessage(result), maxPacketBytes);
            }
          },
          metricsCode,
        ),
      metricsQueryInstant: (message, context) =>
        streamingCall(
          parts,
          context,
          async function* (tenants, signal) {
            const rules = metricsRules(engine.context, tenants);
            const query = instantRequest(instantQuery(message), rules);
            for await (const update of instantUpdates(engine, { tenants, ...query }, signal)) {
              const result = update.type === "partial" ? update.partial : update.result;
              yield* instantPackets(instantToMessage(result), maxPacketBytes);
            }
          },
          metricsCode,
        ),
    });
  };
}
