import { mapError } from "../../server/error-map.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Update } from "../stream/updates.ts";
import { jsonText } from "../wire/json-text.ts";
import type { ServerEvent } from "./event-stream.ts";

/**
 * A query's updates as events: `partial` for each partial result, then `result`, both in the JSON of
 * the plain answer; or `error` with `{status, message}`, where the plain answer has that status.
 */
export async function* queryEvents<Partial, Result>(
  updates: AsyncIterable<Update<Partial, Result>>,
  toJson: (result: Partial | Result) => unknown,
  log: Logger,
): AsyncGenerator<readonly ServerEvent[], void, void> {
  try {
    for await (const update of updates) {
      const result = update.type === "partial" ? update.partial : update.result;
      yield [{ event: update.type, data: jsonText(toJson(result)) }];
    }
  } catch (error) {
    const { status, message, unexpected } = mapError(error);
    if (unexpected) log.error("request failed", { error });
    yield [{ event: "error", data: jsonText({ status: status.http, message }) }];
  }
}
