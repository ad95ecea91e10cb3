import { Agent, request } from "node:http";

export type HttpAnswer = { readonly status: number; readonly body: Buffer };

export type HttpRequestOptions = {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
};

/** Longer than any query's time-out: the server answers or is broken. */
const TIMEOUT_MS = 60_000;

/** Requests over connections that stay open, read as bytes: cheap beside what is measured. */
export class HttpClient {
  readonly #agent: Agent;

  constructor(maxConnections: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: maxConnections });
  }

  send(url: string, options: HttpRequestOptions = {}): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const { method = "GET", headers = {}, body } = options;
      const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
      const outgoing = request(
        url,
        { agent: this.#agent, method, headers: { ...headers, ...length }, timeout: TIMEOUT_MS },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.once("error", reject);
          incoming.once("end", () => {
            resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks) });
          });
        },
      );
      outgoing.once("error", reject);
      outgoing.once("timeout", () => outgoing.destroy(new Error(`no answer from ${url}`)));
      outgoing.end(body);
    });
  }

  /** Resolves when the body holds `wanted`, and hangs up then; rejects when it ends without. */
  until(url: string, wanted: string, { headers = {} }: HttpRequestOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      // A connection of its own, since it is cut.
      const outgoing = request(
        url,
        { headers: { ...headers }, timeout: TIMEOUT_MS },
        (incoming) => {
          let text = "";
          incoming.on("data", (chunk: Buffer) => {
            text += chunk.toString();
            if (!text.includes(wanted)) return;
            resolve();
            outgoing.destroy();
          });
          incoming.once("error", reject);
          incoming.once("end", () => reject(new Error(`${url} ended without ${wanted}: ${text}`)));
        },
      );
      outgoing.once("error", reject);
      outgoing.once("timeout", () => outgoing.destroy(new Error(`no answer from ${url}`)));
      outgoing.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
