import { fromBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { ExportTraceServiceResponseSchema } from "../../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { PROTOBUF_TYPE } from "../../receivers/otlp/responses.ts";
import { printable } from "../sql/display.ts";

const MAX_REASON_CHARS = 300;

/** Why the door refused a request, as text for a terminal. */
export async function reasonOf(answer: Response): Promise<string> {
  const bytes = await bytesOf(answer);
  const text = isProtobuf(answer) ? statusMessage(bytes) : new TextDecoder().decode(bytes);
  return printable(text.trim().slice(0, MAX_REASON_CHARS));
}

/** Spans that the door left out of a request which it took. */
export async function rejectedSpans(answer: Response): Promise<number> {
  const bytes = await bytesOf(answer);
  if (!isProtobuf(answer)) return 0;
  try {
    const { partialSuccess } = fromBinary(ExportTraceServiceResponseSchema, bytes);
    return Number(partialSuccess?.rejectedSpans ?? 0n);
  } catch {
    // It was taken, whatever the answer says beside that.
    return 0;
  }
}

function statusMessage(bytes: Uint8Array): string {
  try {
    return fromBinary(StatusSchema, bytes).message;
  } catch {
    return "";
  }
}

function isProtobuf(answer: Response): boolean {
  return answer.headers.get("content-type")?.startsWith(PROTOBUF_TYPE) ?? false;
}

/** A connection that breaks off here says nothing more. */
async function bytesOf(answer: Response): Promise<Uint8Array> {
  return new Uint8Array(await answer.arrayBuffer().catch(() => new ArrayBuffer(0)));
}
