import type { Context } from "hono";
import { PintailError } from "../errors.ts";
import { BodyEncoding } from "../ingest/ingest.ts";
import type { RequestEnv } from "../runtime/http/handler.ts";

/** What routes see of the transport; absent when a test calls `app.request`. */
export type HonoEnv = { Bindings: Partial<RequestEnv> };

/**
 * Reads a request's body, as it came. Throws `too_large` (by Content-Length before reading, else as
 * soon as the limit is passed), `canceled` when the client goes away, `unavailable` when requests
 * in flight hold too much memory together.
 */
export async function readRequestBody(c: Context<HonoEnv>, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(c.req.header("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  // Tests and other hosts have no `env`.
  const readBody = c.env?.readBody;
  if (readBody !== undefined) return readBody(maxBytes);
  return readStream(c.req.raw.body, maxBytes);
}

async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Uint8Array> {
  if (stream === null) return new Uint8Array(0);
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.byteLength;
    if (length > maxBytes) {
      await reader.cancel();
      throw tooLarge(maxBytes);
    }
    chunks.push(next.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function tooLarge(maxBytes: number): PintailError {
  return new PintailError("too_large", `request body exceeds ${maxBytes} bytes`);
}

const HTTP_ENCODINGS: ReadonlyMap<string, BodyEncoding> = new Map([
  ["", BodyEncoding.identity],
  ["gzip", BodyEncoding.gzip],
  ["zstd", BodyEncoding.zstd],
  ["zlib", BodyEncoding.zlib],
  ["deflate", BodyEncoding.zlib],
  ["snappy", BodyEncoding.snappy],
  ["lz4", BodyEncoding.lz4],
]);

const SNAPPY_STREAM = [0xff, 0x06, 0x00, 0x00, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59];

/** Checks a Content-Encoding before the body is read: one token, in lower case. Throws `invalid`. */
export function parseContentEncoding(header: string | undefined): BodyEncoding {
  const encoding = HTTP_ENCODINGS.get(header ?? "");
  if (encoding === undefined) {
    throw new PintailError(
      "invalid",
      `unsupported Content-Encoding: ${(header ?? "").slice(0, 100)}`,
    );
  }
  return encoding;
}

/** Tells the two snappy formats apart: both go by the same name in HTTP. */
export function sniffEncoding(encoding: BodyEncoding, body: Uint8Array): BodyEncoding {
  if (encoding !== BodyEncoding.snappy) return encoding;
  return SNAPPY_STREAM.every((byte, i) => body[i] === byte)
    ? BodyEncoding.snappyFramed
    : BodyEncoding.snappy;
}
