import { PintailError } from "../../../errors.ts";
import { RequestFailure } from "../request-failure.ts";
import type { GcsSettings } from "../settings.ts";
import { type Authorize, openAuthorization } from "./gcs-auth.ts";
import { gcsFailure } from "./gcs-failure.ts";
import { HttpClient, type HttpRequest, type HttpResponse, readText } from "./http-request.ts";

const GOOGLE = "https://storage.googleapis.com";

/** An object's metadata in the JSON API, as far as it is read. */
export type GcsObject = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly generation: string;
  /** Base64; objects composed of others have none. */
  readonly md5Hash: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly modifiedUnixMs: number;
};

/** Requests to the JSON API of one bucket. */
export class GcsApi {
  readonly #http: HttpClient;
  readonly #authorize: Authorize;
  readonly #base: string;
  readonly #bucket: string;

  static async open(settings: GcsSettings): Promise<GcsApi> {
    return new GcsApi(await openAuthorization(settings), settings);
  }

  private constructor(authorize: Authorize, settings: GcsSettings) {
    this.#authorize = authorize;
    this.#http = new HttpClient({
      maxSockets: settings.maxRequests,
      checkCertificates: !settings.insecure,
    });
    this.#base = baseUrl(settings.endpoint);
    this.#bucket = encodeURIComponent(settings.bucket);
  }

  /** `path` below the bucket: `/o/name`. */
  url(path: string, query: Readonly<Record<string, string>>): URL {
    return withQuery(`${this.#base}/storage/v1/b/${this.#bucket}${path}`, query);
  }

  uploadUrl(query: Readonly<Record<string, string>>): URL {
    return withQuery(`${this.#base}/upload/storage/v1/b/${this.#bucket}/o`, query);
  }

  /** Resolves for any status of `accepted`; all others reject. */
  async send(
    request: HttpRequest,
    accepted: readonly number[],
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const authorization = await this.#authorize(request.url);
    const headers = { ...request.headers, ...authorization };
    const response = await this.#http.request({ ...request, headers }, signal);
    if (accepted.includes(response.status)) return response;
    throw await gcsFailure(response);
  }

  close(): void {
    this.#http.close();
  }
}

function baseUrl(endpoint: string): string {
  if (endpoint === "") return GOOGLE;
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint)) {
    throw new PintailError("invalid", `gcs endpoint '${endpoint}' must be a URL`);
  }
  return endpoint.replace(/\/+$/, "").replace(/\/storage\/v1$/, "");
}

function withQuery(base: string, query: Readonly<Record<string, string>>): URL {
  const url = new URL(base);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/** A JSON object; anything else is a broken answer. */
export async function readJson(response: HttpResponse): Promise<Record<string, unknown>> {
  const text = await readText(response);
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw new RequestFailure("broken", `not a JSON object: ${text.slice(0, 100)}`);
}

export function parseObject(value: unknown): GcsObject {
  if (!isRecord(value)) throw new RequestFailure("broken", "an object without metadata");
  const { name, size, generation, md5Hash, metadata, updated } = value;
  const sizeBytes = Number(size);
  if (
    typeof name !== "string" ||
    typeof generation !== "string" ||
    !Number.isSafeInteger(sizeBytes)
  ) {
    throw new RequestFailure("broken", "an object's metadata lacks a field");
  }
  return {
    name,
    sizeBytes,
    generation,
    md5Hash: typeof md5Hash === "string" ? md5Hash : undefined,
    metadata: isRecord(metadata) ? metadata : {},
    modifiedUnixMs: Date.parse(String(updated)) || 0,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
