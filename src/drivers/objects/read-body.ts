import type { ReadRange, ReadResponse } from "./bucket-backend.ts";
import { RequestFailure } from "./request-failure.ts";

/** What the caller knows about the object. */
export type Expected = {
  readonly version: string | undefined;
  readonly sizeBytes: number | undefined;
};

export type ReadResult = {
  readonly bytes: Uint8Array;
  readonly version: string;
  /** Of the whole object. */
  readonly sizeBytes: number;
};

/**
 * Checks an answer against what was asked and known, before and while its body is read; never holds
 * more than was asked for. Rejects with `changed` for another version or size, `too_large`, `broken`
 * for an answer that is not the range or ends early.
 */
export async function readBody(
  response: ReadResponse,
  range: ReadRange | undefined,
  maxBytes: number,
  expected: Expected,
  signal: AbortSignal,
): Promise<ReadResult> {
  const stop = () => response.discard();
  signal.addEventListener("abort", stop);
  try {
    const { length, sizeBytes } = checkHeaders(response, range, maxBytes, expected);
    const bytes = await collect(response.body, length);
    return { bytes, version: response.version, sizeBytes };
  } catch (e) {
    response.discard();
    throw e;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function checkHeaders(
  response: ReadResponse,
  range: ReadRange | undefined,
  maxBytes: number,
  expected: Expected,
): { length: number; sizeBytes: number } {
  const { contentLength } = response;
  const part = parseContentRange(response.contentRange);
  const sizeBytes = part === undefined ? contentLength : part.sizeBytes;
  if (sizeBytes === undefined) throw new RequestFailure("broken", "an answer without a length");
  if (expected.version !== undefined && response.version !== expected.version) {
    throw new RequestFailure(
      "changed",
      `version is ${response.version}, expected ${expected.version}`,
    );
  }
  if (expected.sizeBytes !== undefined && sizeBytes !== expected.sizeBytes) {
    throw new RequestFailure(
      "changed",
      `${sizeBytes} bytes are stored, expected ${expected.sizeBytes}`,
    );
  }
  if (range === undefined) {
    if (sizeBytes > maxBytes) {
      throw new RequestFailure("too_large", `${sizeBytes} bytes, at most ${maxBytes} are read`);
    }
    if (part !== undefined) throw new RequestFailure("broken", "a part instead of the whole");
    return { length: sizeBytes, sizeBytes };
  }
  if (range.end > sizeBytes) {
    throw new RequestFailure("changed", `range ends at ${range.end} of ${sizeBytes} bytes`);
  }
  const { start, end } = part ?? { start: 0, end: sizeBytes };
  if (start !== range.start || end !== range.end) {
    throw new RequestFailure(
      "broken",
      `got bytes ${start}-${end}, asked for ${range.start}-${range.end}`,
    );
  }
  const length = range.end - range.start;
  if (contentLength !== undefined && contentLength !== length) {
    throw new RequestFailure("broken", `${contentLength} bytes in place of ${length}`);
  }
  return { length, sizeBytes };
}

/** `bytes 0-4/10`, as a half-open range; an unknown total is refused. */
function parseContentRange(
  header: string | undefined,
): { start: number; end: number; sizeBytes: number } | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header);
  if (match === null) throw new RequestFailure("broken", `bad content range '${header}'`);
  return { start: Number(match[1]), end: Number(match[2]) + 1, sizeBytes: Number(match[3]) };
}

async function collect(body: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let count = 0;
  for await (const chunk of body) {
    if (count + chunk.length > length) {
      throw new RequestFailure("broken", `more than the announced ${length} bytes`);
    }
    bytes.set(chunk, count);
    count += chunk.length;
  }
  if (count < length) throw new RequestFailure("broken", `${count} of ${length} bytes came`);
  return bytes;
}
