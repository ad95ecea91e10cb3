import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { PintailError } from "../../errors.ts";
import type { WriteHeaders } from "./request-headers.ts";

export type Answer = {
  readonly status: number;
  readonly retryAfter: string | undefined;
  /** Its first characters. */
  readonly text: string;
};

/** What is kept of an answer, before it is decoded. */
const KEPT_BYTES = 1024;
/** A connection whose answer is longer is not worth keeping. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Longer timers would end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export type PostSettings = {
  readonly url: URL;
  readonly tls: https.AgentOptions;
  readonly timeoutMs: number;
  readonly maxSockets: number;
};

/** Requests to one address, over connections that are kept. */
export class HttpPost {
  readonly #settings: PostSettings;
  readonly #agent: http.Agent;

  constructor(settings: PostSettings) {
    const { url, tls, maxSockets } = settings;
    this.#settings = settings;
    const options = { keepAlive: true, maxSockets };
    this.#agent =
      url.protocol === "https:" ? new https.Agent({ ...options, ...tls }) : new http.Agent(options);
  }

  /**
   * Resolves with the answer, whatever its status; follows no redirects. Rejects when there is none
   * in time, or once `signal` is aborted. An answer that breaks off behind its headers is one.
   */
  send(headers: WriteHeaders, body: Uint8Array, signal: AbortSignal): Promise<Answer> {
    const { url, timeoutMs } = this.#settings;
    return new Promise((resolve, reject) => {
      let response: AnswerBody | undefined;
      let over = false;
      const sent = this.#request({ ...headers, "content-length": String(body.length) });
      const end = (settle: () => void) => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const giveUp = (reason: string) => {
        end(() => {
          if (response === undefined) reject(new PintailError("unavailable", reason));
          else resolve(response.answer());
        });
        sent.destroy();
      };
      const onAbort = () => giveUp("canceled");
      const timer = setTimeout(
        () => giveUp(`no answer of ${url.host} in ${timeoutMs} ms`),
        Math.min(timeoutMs, MAX_TIMER_MS),
      );
      sent.on("error", (cause) => end(() => reject(cause)));
      sent.on("response", (message) => {
        const opened = new AnswerBody(message);
        response = opened;
        opened.onEnd(() => end(() => resolve(opened.answer())));
      });
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      else sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #request(headers: WriteHeaders): http.ClientRequest {
    const { url, tls } = this.#settings;
    const options = { method: "POST", agent: this.#agent, headers };
    // Not all runtimes take what concerns TLS from the agent.
    if (url.protocol === "https:") return https.request(url, { ...options, ...tls });
    return http.request(url, options);
  }
}

/** Reads an answer up to a bound, and keeps its start. */
class AnswerBody {
  readonly #message: IncomingMessage;
  readonly #kept: Uint8Array[] = [];
  #bytes = 0;

  constructor(message: IncomingMessage) {
    this.#message = message;
  }

  /** `ended` may be called more than once. */
  onEnd(ended: () => void): void {
    this.#message.on("data", (chunk: Uint8Array) => {
      if (this.#bytes < KEPT_BYTES) this.#kept.push(chunk.subarray(0, KEPT_BYTES - this.#bytes));
      this.#bytes += chunk.length;
      if (this.#bytes <= MAX_ANSWER_BYTES) return;
      ended();
      this.#message.destroy();
    });
    this.#message.on("end", ended);
    this.#message.on("error", ended);
    this.#message.on("close", ended);
  }

  answer(): Answer {
    const { statusCode = 0, headers } = this.#message;
    const text = Buffer.concat(this.#kept).toString("utf8");
    return { status: statusCode, retryAfter: headers["retry-after"], text };
  }
}
