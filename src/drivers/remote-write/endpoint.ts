import { isPintailError, PintailError } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { HeldBatch } from "./batch-queue.ts";
import { type Answer, HttpPost } from "./http-post.ts";
import { loadRemoteWriteTls } from "./load-tls.ts";
import { requestHeaders } from "./request-headers.ts";
import { retryAfterMs } from "./retry-wait.ts";
import type { RemoteWriteAuth, RemoteWriteSettings } from "./settings.ts";
import { compressSnappyBlock } from "./snappy-block.ts";

export type Outcome =
  | { readonly type: "sent" }
  /** It would be refused another time, too. */
  | { readonly type: "refused"; readonly status: number | undefined; readonly reason: string }
  | {
      readonly type: "retry";
      readonly status: number | undefined;
      readonly reason: string;
      readonly wishedWaitMs: number | undefined;
    };

/** Of an answer, for the log. */
const REASON_CHARS = 256;

/** Makes requests of batches, and judges the answers. */
export class Endpoint {
  readonly #clock: Clock;
  readonly #post: HttpPost;
  readonly #auth: RemoteWriteAuth | undefined;
  readonly #settings: RemoteWriteSettings;

  constructor(
    clock: Clock,
    post: HttpPost,
    auth: RemoteWriteAuth | undefined,
    settings: RemoteWriteSettings,
  ) {
    this.#clock = clock;
    this.#post = post;
    this.#auth = auth;
    this.#settings = settings;
  }

  /** Throws `invalid` for settings that cannot work: the URL, the TLS files. */
  static async open(clock: Clock, settings: RemoteWriteSettings): Promise<Endpoint> {
    const { url, auth } = parseAddress(settings.url);
    const post = new HttpPost({
      url,
      tls: await loadRemoteWriteTls(settings.tls),
      timeoutMs: settings.timeoutMs,
      maxSockets: settings.queue.maxShards,
    });
    return new Endpoint(clock, post, settings.auth ?? auth, settings);
  }

  /** One request; never rejects. */
  async send({ batch, attempts }: HeldBatch, signal: AbortSignal): Promise<Outcome> {
    try {
      const headers = await requestHeaders({
        endpoint: this.#settings.headers,
        auth: this.#auth,
        batch: batch.headers,
        attempts,
      });
      return this.#judge(await this.#post.send(headers, compressSnappyBlock(batch.body), signal));
    } catch (e) {
      const reason = reasonOf(e);
      if (isPintailError(e, "invalid")) return { type: "refused", status: undefined, reason };
      return { type: "retry", status: undefined, reason, wishedWaitMs: undefined };
    }
  }

  close(): void {
    this.#post.close();
  }

  #judge({ status, retryAfter, text }: Answer): Outcome {
    if (status >= 200 && status < 300) return { type: "sent" };
    const reason = text.slice(0, REASON_CHARS);
    const again = status >= 500 || (status === 429 && this.#settings.queue.retryOnRateLimit);
    if (!again) return { type: "refused", status, reason };
    const wishedWaitMs = retryAfterMs(retryAfter, this.#clock.nowUnixMs());
    return { type: "retry", status, reason, wishedWaitMs };
  }
}

/** The URL without its credentials, and these. */
function parseAddress(text: string): { url: URL; auth: RemoteWriteAuth | undefined } {
  // The text may hold a password, so no message has it.
  if (!URL.canParse(text)) throw new PintailError("invalid", "the url of remote_write is no URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new PintailError("invalid", `remote_write cannot send to ${url.protocol} addresses`);
  }
  const auth = authOf(url);
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url, auth };
}

function authOf({ username, password }: URL): RemoteWriteAuth | undefined {
  if (username === "" && password === "") return undefined;
  try {
    const text = decodeURIComponent(password);
    return {
      type: "basic",
      username: decodeURIComponent(username),
      password: { type: "text", text },
    };
  } catch {
    throw new PintailError("invalid", "the credentials in the url of remote_write are not encoded");
  }
}

/** A refused connection to several addresses has no words, only a code. */
function reasonOf(e: unknown): string {
  const first = e instanceof AggregateError ? (e.errors[0] as unknown) : e;
  if (!(first instanceof Error)) return String(first).slice(0, REASON_CHARS);
  const code = (first as { readonly code?: unknown }).code;
  return (first.message || String(code ?? first.name)).slice(0, REASON_CHARS);
}
