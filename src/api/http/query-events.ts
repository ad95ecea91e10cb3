import { mapError } from "../../server/error-map.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Update } from "../stream/updates.ts";
import { jsonText } from "../wire/json-text.ts";
import { eventStream, type ServerEvent } from "./event-stream.ts";
import type { ApiRequest } from "./route-context.ts";

/** Of the last event. */
const DONE = "done";

/**
 * A query's updates as server-sent events: `partial` for each partial result, then `result`, both
 * with the text of the plain answer; or `error` with `{status, message}`, where the plain answer has that
 * status. A browser's `EventSource` asks again when a stream ends; it then gets 204, which stops it.
 */
export function queryEventStream<Partial, Result>(
  api: ApiRequest,
  open: (signal: AbortSignal) => AsyncIterable<Update<Partial, Result>>,
  textOf: (result: Partial | Result) => string,
  log: Logger,
): Response {
  if (api.request.headers.get("last-event-id") === DONE) return new Response(null, { status: 204 });
  return eventStream(api, (signal) => eventsOf(open(signal), textOf, log));
}

async function* eventsOf<Partial, Result>(
  updates: AsyncIterable<Update<Partial, Result>>,
  textOf: (result: Partial | Result) => string,
  log: Logger,
): AsyncGenerator<readonly ServerEvent[], void, void> {
  try {
    for await (const update of updates) {
      yield update.type === "partial"
        ? [{ event: "partial", data: textOf(update.partial) }]
        : [{ event: "result", data: textOf(update.result), id: DONE }];
    }
  } catch (error) {
    const { status, message, unexpected } = mapError(error);
    if (unexpected) log.error("request failed", { error });
    const data = jsonText({ status: status.http, message });
    yield [{ event: "error", data, id: DONE }];
  }
}
