import { PintailError } from "../../errors.ts";
import { type TraceByIdResult, traceById } from "../../query/trace-by-id.ts";
import type { ApiRequest, QueryRouteParts } from "./route-context.ts";

/** Of all traces of one answer, as text. */
const MAX_ANSWER_CHARS = 64 * 1024 * 1024;

/**
 * Each trace as text, undefined for one that is not known. They are read one after the other: each
 * is small, and others want their turn.
 */
export async function traceTexts(
  { engine }: QueryRouteParts,
  { tenants, request }: ApiRequest,
  traceIds: readonly Uint8Array[],
  textOf: (found: TraceByIdResult) => string,
): Promise<(string | undefined)[]> {
  const texts: (string | undefined)[] = [];
  let chars = 0;
  for (const traceId of traceIds) {
    const found = await traceById(engine, { tenants, traceId, signal: request.signal });
    const text = found.trace.resourceSpans.length === 0 ? undefined : textOf(found);
    chars += text?.length ?? 0;
    if (chars > MAX_ANSWER_CHARS) {
      const message = `the answer exceeds ${MAX_ANSWER_CHARS} characters, ask for fewer traces (limit)`;
      throw new PintailError("invalid", message);
    }
    texts.push(text);
  }
  return texts;
}
