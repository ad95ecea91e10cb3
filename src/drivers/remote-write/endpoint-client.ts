import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { VERSION } from "../../version.ts";
import type { RemoteWriteSettings, Secret } from "./settings.ts";

export type EndpointAnswer = {
  readonly status: number;
  /** As it came; undefined without one. */
  readonly retryAfter: string | undefined;
  /** The beginning of the body. */
  readonly text: string;
};

const MAX_TEXT_BYTES = 1024;
/** An answer that is longer ends its connection. */
const MAX_ANSWER_BYTES = 64 * 1024;

const FIXED_HEADERS = {
  "Content-Type": "application/x-protobuf",
  "Content-Encoding": "snappy",
  "X-Prometheus-Remote-Write-Version": "0.1.0",
  "User-Agent": `Pintail/${VERSION}`,
};

/** Requests to one endpoint of remote write, one at a time or many, over connections that are kept. */
export class EndpointClient {
  readonly #settings: RemoteWriteSettings;
  readonly #url: URL;
  #agent: Promise<http.Agent> | undefined;

  constructor(settings: RemoteWriteSettings) {
    this.#settings = settings;
    this.#url = new URL(settings.url);
  }

  /**
   * `body`: compressed. `attempt`: 0 for the first. Resolves with whatever the answer is; rejects when
   * there is none in time. Follows no redirects.
   */
  async send(
    body: Uint8Array,
    own: Readonly<Record<string, string>>,
    attempt: number,
    closed: AbortSignal,
  ): Promise<EndpointAnswer> {
    const signal = AbortSignal.any([closed, AbortSignal.timeout(this.#settings.timeoutMs)]);
    this.#agent ??= this.#newAgent();
    const [agent, authorization] = await Promise.all([this.#agent, this.#authorization()]);
    const headers = new Headers(FIXED_HEADERS);
    if (attempt > 0) headers.set("Retry-Attempt", String(attempt));
    if (authorization !== undefined) headers.set("Authorization", authorization);
    for (const set of [this.#settings.headers, own]) {
      for (const [name, value] of Object.entries(set)) headers.set(name, value);
    }
    headers.set("Content-Length", String(body.length));
    const { request } = this.#url.protocol === "https:" ? https : http;
    return await new Promise((resolve, reject) => {
      const sent = request(
        this.#url,
        { method: "POST", agent, headers: Object.fromEntries(headers), signal },
        (response) => {
          readAnswer(response).then(resolve, reject);
        },
      );
      // Also what fails after the answer began.
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent?.then(
      (agent) => agent.destroy(),
      () => {},
    );
  }

  async #newAgent(): Promise<http.Agent> {
    const { tls, queue } = this.#settings;
    const options = { keepAlive: true, maxSockets: queue.maxShards };
    if (this.#url.protocol !== "https:") return new http.Agent(options);
    const file = (path: string) => (path === "" ? undefined : readFile(path));
    const [ca, cert, key] = await Promise.all([
      file(tls?.caFile ?? ""),
      file(tls?.certFile ?? ""),
      file(tls?.keyFile ?? ""),
    ]);
    return new https.Agent({
      ...options,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(tls === undefined || tls.serverName === "" ? {} : { servername: tls.serverName }),
      rejectUnauthorized: tls?.insecureSkipVerify !== true,
    });
  }

  async #authorization(): Promise<string | undefined> {
    const { auth } = this.#settings;
    switch (auth?.type) {
      case undefined:
        return undefined;
      case "basic": {
        const password = await textOf(auth.password);
        return `Basic ${Buffer.from(`${auth.username}:${password}`).toString("base64")}`;
      }
      case "header":
        return `${auth.scheme} ${await textOf(auth.credentials)}`;
      default:
        return auth satisfies never;
    }
  }
}

async function textOf(secret: Secret): Promise<string> {
  return secret.type === "text" ? secret.text : (await readFile(secret.path, "utf8")).trim();
}

async function readAnswer(response: http.IncomingMessage): Promise<EndpointAnswer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    if (bytes < MAX_TEXT_BYTES) chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) response.destroy();
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers["retry-after"],
    text: Buffer.concat(chunks).subarray(0, MAX_TEXT_BYTES).toString("utf8"),
  };
}
