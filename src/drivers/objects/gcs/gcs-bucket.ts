import { PintailError } from "../../../errors.ts";
import {
  type BucketBackend,
  type BucketUpload,
  type ListRequest,
  type ListResponse,
  type PutRequest,
  type ReadRange,
  type ReadResponse,
  type StoredObject,
  UPLOAD_ID_KEY,
  type UploadRequest,
  type WriteCondition,
  type WrittenObject,
} from "../bucket-backend.ts";
import { isFailure, RequestFailure } from "../request-failure.ts";
import type { GcsSettings } from "../settings.ts";
import { GcsApi, parseObject, readJson } from "./gcs-api.ts";
import { GcsUpload } from "./gcs-upload.ts";

const OBJECT_TYPE = "application/octet-stream";
const OBJECT_FIELDS = "name,size,generation,md5Hash,metadata,updated";
const PART_STEP = 256 * 1024;
const encoder = new TextEncoder();

export async function openGcsBucket(settings: GcsSettings): Promise<BucketBackend> {
  if (settings.bucket === "") throw new PintailError("invalid", "gcs needs a bucket_name");
  if (settings.partBytes <= 0 || settings.partBytes % PART_STEP !== 0) {
    throw new PintailError(
      "invalid",
      `gcs chunk_buffer_size ${settings.partBytes} is no multiple of ${PART_STEP}`,
    );
  }
  return new GcsBucket(await GcsApi.open(settings), settings);
}

/** The JSON API of Google Cloud Storage. Versions are generations. */
class GcsBucket implements BucketBackend {
  readonly backend = "gcs";
  readonly location: string;
  readonly conditionalWrites = true;
  readonly #api: GcsApi;
  readonly #settings: GcsSettings;

  constructor(api: GcsApi, settings: GcsSettings) {
    this.#api = api;
    this.#settings = settings;
    this.location = `gs://${settings.bucket}`;
  }

  async put(request: PutRequest, signal: AbortSignal): Promise<WrittenObject> {
    const { key, bytes, uploadId, condition } = request;
    const md5Hash = Buffer.from(request.md5).toString("base64");
    const boundary = `pintail-${uploadId}`;
    const part = (type: string) => `--${boundary}\r\ncontent-type: ${type}\r\n\r\n`;
    const metadata = JSON.stringify({ ...this.#metadata(key, uploadId), md5Hash });
    const head = `${part("application/json; charset=utf-8")}${metadata}\r\n${part(OBJECT_TYPE)}`;
    const url = this.#api.uploadUrl({ uploadType: "multipart", ...conditionQuery(condition) });
    const response = await this.#api.send(
      {
        method: "POST",
        url,
        headers: { "content-type": `multipart/related; boundary=${boundary}` },
        body: [encoder.encode(head), bytes, encoder.encode(`\r\n--${boundary}--\r\n`)],
      },
      [200],
      signal,
    );
    const stored = parseObject(await readJson(response));
    return {
      version: stored.generation,
      verified: stored.md5Hash === md5Hash && stored.sizeBytes === bytes.length,
    };
  }

  async read(
    key: string,
    range: ReadRange | undefined,
    signal: AbortSignal,
  ): Promise<ReadResponse> {
    const response = await this.#api.send(
      {
        method: "GET",
        url: this.#objectUrl(key, { alt: "media" }),
        headers: range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` },
      },
      [200, 206],
      signal,
    );
    const { headers, body } = response;
    const generation = headers["x-goog-generation"];
    if (typeof generation !== "string") {
      body.destroy();
      throw new RequestFailure("broken", "an answer without a generation");
    }
    const length = headers["content-length"];
    return {
      version: generation,
      contentRange: headers["content-range"],
      contentLength: length === undefined ? undefined : Number(length),
      body,
      discard: () => body.destroy(),
    };
  }

  async head(key: string, signal: AbortSignal): Promise<StoredObject> {
    const url = this.#objectUrl(key, { fields: OBJECT_FIELDS });
    const response = await this.#api.send({ method: "GET", url, headers: {} }, [200], signal);
    const found = parseObject(await readJson(response));
    const uploadId = found.metadata[UPLOAD_ID_KEY];
    return {
      version: found.generation,
      sizeBytes: found.sizeBytes,
      uploadId: typeof uploadId === "string" ? uploadId : undefined,
    };
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    try {
      const url = this.#objectUrl(key, {});
      const request = { method: "DELETE", url, headers: {} } as const;
      (await this.#api.send(request, [200, 204], signal)).body.resume();
    } catch (e) {
      if (!isFailure(e, "missing")) throw e;
    }
  }

  async list(request: ListRequest, signal: AbortSignal): Promise<ListResponse> {
    const url = this.#api.url("/o", {
      prefix: request.prefix,
      maxResults: String(request.maxKeys),
      fields: "nextPageToken,prefixes,items(name,size,generation,updated)",
      ...(request.delimiter === undefined ? {} : { delimiter: request.delimiter }),
      ...(request.page === undefined ? {} : { pageToken: request.page }),
    });
    const response = await this.#api.send({ method: "GET", url, headers: {} }, [200], signal);
    const { items = [], prefixes = [], nextPageToken } = await readJson(response);
    if (!Array.isArray(items) || !Array.isArray(prefixes)) {
      throw new RequestFailure("broken", "a list without items");
    }
    return {
      objects: items.map(parseObject).map((object) => ({
        key: object.name,
        sizeBytes: object.sizeBytes,
        version: object.generation,
        modifiedUnixMs: object.modifiedUnixMs,
      })),
      prefixes: prefixes.map(String),
      nextPage: typeof nextPageToken === "string" ? nextPageToken : undefined,
    };
  }

  async startUpload(request: UploadRequest, signal: AbortSignal): Promise<BucketUpload> {
    const { key, sizeBytes, uploadId, condition } = request;
    const response = await this.#api.send(
      {
        method: "POST",
        url: this.#api.uploadUrl({ uploadType: "resumable", ...conditionQuery(condition) }),
        headers: {
          "content-type": "application/json; charset=utf-8",
          "x-upload-content-type": OBJECT_TYPE,
          "x-upload-content-length": String(sizeBytes),
        },
        body: [encoder.encode(JSON.stringify(this.#metadata(key, uploadId)))],
      },
      [200, 201],
      signal,
    );
    response.body.resume();
    const location = response.headers.location;
    if (location === undefined || !URL.canParse(location)) {
      throw new RequestFailure("broken", "an upload without a session");
    }
    return new GcsUpload(this.#api, new URL(location), sizeBytes);
  }

  close(): void {
    this.#api.close();
  }

  #objectUrl(key: string, query: Readonly<Record<string, string>>): URL {
    return this.#api.url(`/o/${encodeURIComponent(key)}`, query);
  }

  #metadata(name: string, uploadId: string): Record<string, unknown> {
    const { cacheControl, metadata } = this.#settings;
    return {
      name,
      contentType: OBJECT_TYPE,
      ...(cacheControl === "" ? {} : { cacheControl }),
      metadata: { ...metadata, [UPLOAD_ID_KEY]: uploadId },
    };
  }
}

function conditionQuery(condition: WriteCondition): Record<string, string> {
  switch (condition.type) {
    case "none":
      return {};
    case "absent":
      return { ifGenerationMatch: "0" };
    case "version":
      return { ifGenerationMatch: condition.version };
    default:
      return condition satisfies never;
  }
}
