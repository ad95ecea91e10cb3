import { createHash } from "node:crypto";
import { PintailError } from "../../../errors.ts";
import type { BucketUpload, UploadPart, WrittenObject } from "../bucket-backend.ts";
import { RequestFailure } from "../request-failure.ts";
import { type GcsApi, type GcsObject, parseObject, readJson } from "./gcs-api.ts";
import type { HttpResponse } from "./http-request.ts";

/** "Resume incomplete": how a session answers a part that is not the last. */
const INCOMPLETE = 308;
const RETRY_AFTER_MS = 1000;

/** One resumable session: bytes in order; after a lost answer it is asked how far it came. */
export class GcsUpload implements BucketUpload {
  readonly parallelParts = 1;
  readonly #api: GcsApi;
  readonly #session: URL;
  readonly #sizeBytes: number;
  readonly #md5 = createHash("md5");
  #hashedBytes = 0;
  #stored: GcsObject | undefined;

  constructor(api: GcsApi, session: URL, sizeBytes: number) {
    this.#api = api;
    this.#session = session;
    this.#sizeBytes = sizeBytes;
  }

  async putPart({ start, bytes, again }: UploadPart, signal: AbortSignal): Promise<void> {
    const end = start + bytes.length;
    if (this.#hashedBytes === start) {
      this.#md5.update(bytes);
      this.#hashedBytes = end;
    }
    const from = again ? await this.#receivedBytes(signal) : start;
    if (this.#stored !== undefined || from >= end) return;
    if (from < start)
      throw new RequestFailure("invalid", `the session lost bytes ${from}-${start}`);
    const reached = await this.#send(
      `bytes ${from}-${end - 1}/${this.#sizeBytes}`,
      bytes.subarray(from - start),
      signal,
    );
    if (this.#stored === undefined && reached < end) {
      throw new RequestFailure("broken", `the session has ${reached} bytes, ${end} were sent`);
    }
  }

  async complete(signal: AbortSignal): Promise<WrittenObject> {
    if (this.#stored === undefined) await this.#receivedBytes(signal);
    const stored = this.#stored;
    if (stored === undefined) {
      throw new RequestFailure("missing", "all bytes were sent, yet the upload is not complete");
    }
    const checksum = this.#md5.copy().digest("base64");
    if (stored.md5Hash !== undefined && stored.md5Hash !== checksum) {
      await this.#remove(stored, signal);
      throw new PintailError("unavailable", `stored bytes of ${stored.name} are not those sent`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    return {
      version: stored.generation,
      verified: stored.md5Hash !== undefined && stored.sizeBytes === this.#sizeBytes,
    };
  }

  async abort(signal: AbortSignal): Promise<void> {
    const request = { method: "DELETE", url: this.#session, headers: {} } as const;
    // 499 is how a session says that it is gone.
    (await this.#api.send(request, [200, 204, 404, 410, 499], signal)).body.resume();
  }

  /** The object of this upload only: another writer's has another generation. */
  async #remove({ name, generation }: GcsObject, signal: AbortSignal): Promise<void> {
    const url = this.#api.url(`/o/${encodeURIComponent(name)}`, { ifGenerationMatch: generation });
    const request = { method: "DELETE", url, headers: {} } as const;
    (await this.#api.send(request, [200, 204, 404, 412], signal)).body.resume();
  }

  #receivedBytes(signal: AbortSignal): Promise<number> {
    return this.#send(`bytes */${this.#sizeBytes}`, new Uint8Array(), signal);
  }

  /** Resolves with how many bytes the session has; all of them when the object is stored. */
  async #send(contentRange: string, bytes: Uint8Array, signal: AbortSignal): Promise<number> {
    const headers = { "content-range": contentRange };
    const request = { method: "PUT", url: this.#session, headers, body: [bytes] } as const;
    const response = await this.#api.send(request, [200, 201, INCOMPLETE], signal);
    if (response.status === INCOMPLETE) return receivedBytes(response);
    this.#stored = parseObject(await readJson(response));
    return this.#sizeBytes;
  }
}

function receivedBytes({ headers, body }: HttpResponse): number {
  body.resume();
  const { range } = headers;
  // Nothing yet.
  if (range === undefined) return 0;
  const match = /^bytes=0-(\d{1,15})$/.exec(range);
  if (match === null) throw new RequestFailure("broken", `bad range of a session '${range}'`);
  return Number(match[1]) + 1;
}
