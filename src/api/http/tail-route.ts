import { compileTail } from "../../query/tail/compile-tail.ts";
import type { TailNews } from "../../query/tail/tail-inbox.ts";
import type { Tails } from "../../query/tail/tails.ts";
import { jsonText } from "../wire/json-text.ts";
import { tailSpanToJson } from "../wire/tail-event.ts";
import { eventStream, type ServerEvent } from "./event-stream.ts";
import type { ApiHandler, QueryRouteParts } from "./route-context.ts";

/**
 * `/api/tail?q={…}`: spans that match, as they are acknowledged, as server-sent events. `span` is
 * one span; `dropped` says how many `spans` the client was too slow for, and how many `segments` of
 * some hundred milliseconds were not looked at.
 */
export function tailRoute({
  engine,
  tails,
}: Pick<QueryRouteParts, "engine"> & { readonly tails: Tails }): ApiHandler {
  const { settings } = engine.context;
  return (api) => {
    const filter = compileTail(api.params.get("q") || "{}", settings.maxQueryBytes);
    const { tenants } = api;
    const namesTenant = tenants.length > 1;
    return eventStream(api, (signal) =>
      eventsOf(tails.open({ tenants, filter, signal }), namesTenant),
    );
  };
}

async function* eventsOf(
  news: AsyncGenerator<TailNews, void, void>,
  namesTenant: boolean,
): AsyncGenerator<readonly ServerEvent[], void, void> {
  for await (const { spans, droppedSpans, skippedSegments } of news) {
    const events: ServerEvent[] = spans.map((span) => ({
      event: "span",
      data: jsonText(tailSpanToJson(span, namesTenant)),
    }));
    if (droppedSpans > 0 || skippedSegments > 0) {
      const data = jsonText({ spans: droppedSpans, segments: skippedSegments });
      events.push({ event: "dropped", data });
    }
    yield events;
  }
}
