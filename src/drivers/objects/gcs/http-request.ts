import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";
import { RequestFailure } from "../request-failure.ts";

export type HttpRequest = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent one after the other; their length is the content length. */
  readonly body?: readonly Uint8Array[];
};

export type HttpResponse = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end, or destroyed. */
  readonly body: IncomingMessage;
};

/** An answer that is not an object's bytes: metadata, lists, errors. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** Connections to one service that are kept and used again. */
export class HttpClient {
  readonly #plain: http.Agent;
  readonly #tls: https.Agent;

  constructor(options: { readonly maxSockets: number; readonly checkCertificates: boolean }) {
    const { maxSockets, checkCertificates } = options;
    this.#plain = new http.Agent({ keepAlive: true, maxSockets });
    this.#tls = new https.Agent({
      keepAlive: true,
      maxSockets,
      rejectUnauthorized: checkCertificates,
    });
  }

  /** Resolves with the headers, whatever the status. Follows no redirects. */
  request(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { method, url, headers, body = [] } = request;
    const secure = url.protocol === "https:";
    const length = body.reduce((sum, part) => sum + part.length, 0);
    return new Promise((resolve, reject) => {
      const sent = (secure ? https : http).request(url, {
        method,
        agent: secure ? this.#tls : this.#plain,
        headers: { ...headers, "content-length": String(length) },
        signal,
      });
      // Also what fails after the answer began: its body then ends with an error of its own.
      sent.on("error", reject);
      sent.on("response", (response) => {
        response.on("error", () => {});
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
      });
      for (const part of body) sent.write(part);
      sent.end();
    });
  }

  close(): void {
    this.#plain.destroy();
    this.#tls.destroy();
  }
}

/** The rest of an answer as text. */
export async function readText({ body }: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_TEXT_BYTES) {
      body.destroy();
      throw new RequestFailure("broken", `an answer of more than ${MAX_TEXT_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
