import { concatBytes } from "../../util/concat-bytes.ts";
import { spanCount } from "./span-count.ts";
import { splitRequest } from "./split-request.ts";

/** An ExportTraceServiceRequest in protobuf. */
export type ImportRequest = { readonly body: Uint8Array<ArrayBuffer>; readonly spanCount: number };

/**
 * Far below what servers take (Pintail and the Collector 20 MiB), and enough that the time of a
 * request is that of its spans.
 */
export const REQUEST_BYTES = 4 * 1024 * 1024;

/**
 * Parts joined to requests of at most `REQUEST_BYTES`, and larger ones split among several; only a
 * single span may be larger. Throws an `ImportFileError` at a part that is no OTLP.
 */
export async function* requestsOf(
  parts: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<ImportRequest, void, void> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let pendingSpans = 0;
  function* flush(): Generator<ImportRequest> {
    if (pendingSpans > 0) yield { body: concatBytes(pending), spanCount: pendingSpans };
    pending = [];
    pendingBytes = 0;
    pendingSpans = 0;
  }
  let failure: unknown;
  try {
    for await (const part of parts) {
      const spans = spanCount(part);
      if (spans === 0) continue;
      if (pendingBytes + part.length > REQUEST_BYTES) yield* flush();
      if (part.length > REQUEST_BYTES) {
        for (const body of splitRequest(part, REQUEST_BYTES)) {
          yield { body, spanCount: spanCount(body) };
        }
        continue;
      }
      pending.push(part);
      pendingBytes += part.length;
      pendingSpans += spans;
    }
  } catch (error) {
    failure = error;
  }
  // What came before a fault is imported.
  yield* flush();
  if (failure !== undefined) throw failure;
}
