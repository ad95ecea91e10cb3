/**
 * The process of one ad-hoc query: reads a request from standard input, writes frames to standard
 * output, ends. It ends at once when its parent is gone, which its input's end shows.
 */
import { createInterface } from "node:readline";
import { isPintailError, type PintailError } from "../../../errors.ts";
import { duckdbError } from "../duckdb-error.ts";
import { Frame, type FrameError, type FrameType, frameHeader, MAX_FRAME_BYTES } from "./frames.ts";
import type { IsolatedRequest } from "./isolated-sql.ts";
import { runQuery } from "./run-query.ts";

const input = createInterface({ input: process.stdin });
input.once("line", (line) => void main(JSON.parse(line) as IsolatedRequest));
process.stdin.once("end", () => process.exit(1));

async function main(request: IsolatedRequest): Promise<void> {
  try {
    await runQuery(request, {
      started: () => write(Frame.started, new Uint8Array(0)),
      data: writeData,
    });
    await write(Frame.finished, new Uint8Array(0));
  } catch (error) {
    await write(Frame.error, new TextEncoder().encode(JSON.stringify(frameError(error))));
  }
  process.exit(0);
}

function frameError(error: unknown): FrameError {
  const known: PintailError = isPintailError(error)
    ? error
    : duckdbError(error, isOfDuckdb(error) ? "invalid" : "internal");
  return { kind: known.kind, message: known.message };
}

/** `Binder Error: …`: the statement's fault, or its data's. */
function isOfDuckdb(error: unknown): boolean {
  return error instanceof Error && /^[A-Za-z]+( [A-Za-z]+)* ?Error: /.test(error.message);
}

async function writeData(bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += MAX_FRAME_BYTES) {
    await write(Frame.data, bytes.subarray(at, at + MAX_FRAME_BYTES));
  }
}

/** Resolves when the system has taken it, so a slow reader slows the query. */
async function write(type: FrameType, body: Uint8Array): Promise<void> {
  process.stdout.write(frameHeader(type, body.length));
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(body, (error) => (error ? reject(error) : resolve()));
  });
}
