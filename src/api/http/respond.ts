import { gzipFast } from "../../runtime/compression.ts";

/** What a client may get; chosen by substring, as Tempo does. */
export type AnswerFormat = "protobuf" | "json" | "llm";

export function answerFormat(accept: string | null): AnswerFormat {
  if (accept === null) return "json";
  if (accept.includes("application/protobuf")) return "protobuf";
  if (accept.includes("application/json")) return "json";
  if (accept.includes("application/vnd.grafana.llm")) return "llm";
  return "json";
}

export const PROTOBUF = "application/protobuf";
export const JSON_TYPE = "application/json";
export const LLM_JSON = "application/vnd.grafana.llm+json";
export const TEXT = "text/plain; charset=utf-8";

/** Smaller bodies are sent as they are. */
const MIN_GZIP_BYTES = 1024;
const encoder = new TextEncoder();

/** 200 with this body, compressed when that is worth it and the client takes it. */
export function answer(request: Request, contentType: string, body: string | Uint8Array): Response {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const headers = new Headers({ "content-type": contentType, vary: "Accept-Encoding" });
  if (bytes.length < MIN_GZIP_BYTES || !acceptsGzip(request.headers.get("accept-encoding"))) {
    headers.set("content-length", String(bytes.length));
    return new Response(bytes as Uint8Array<ArrayBuffer>, { headers });
  }
  headers.set("content-encoding", "gzip");
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async start(controller) {
      controller.enqueue(await gzipFast(bytes));
      controller.close();
    },
  });
  return new Response(source, { headers });
}

function acceptsGzip(acceptEncoding: string | null): boolean {
  if (acceptEncoding === null) return false;
  return acceptEncoding.split(",").some((part) => {
    const [name, ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    if (name !== "gzip") return false;
    return !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
