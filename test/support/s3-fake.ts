import { createHash } from "node:crypto";
import { ObjectFaults } from "./object-faults.ts";
import {
  type FakeProtocol,
  type FakeRequest,
  type FakeResponse,
  type ObjectServer,
  pageOf,
  rangeOf,
  startObjectServer,
} from "./object-server.ts";
import { signatureError } from "./s3-signature.ts";

export type S3FakeOptions = {
  readonly seed?: number;
  /** `refused`: 501 for conditional headers; `ignored`: as if they were not there. */
  readonly conditions?: "known" | "refused" | "ignored";
  /** Compares If-Match with the ETag without quotes, as Ceph does. */
  readonly unquotedIfMatch?: boolean;
  /** ETags are no checksums. */
  readonly opaqueETags?: boolean;
};

export type S3FakeObject = {
  readonly bytes: Buffer;
  readonly etag: string;
  /** Headers of the request that made it, `x-amz-…` only. */
  readonly headers: Readonly<Record<string, string>>;
  readonly modified: Date;
};

type FakeUpload = {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly parts: Map<number, Buffer>;
};

export type S3Fake = ObjectServer & {
  readonly bucket: "fake-bucket";
  readonly accessKey: string;
  readonly secretKey: string;
  readonly faults: ObjectFaults;
  readonly objects: Map<string, S3FakeObject>;
  readonly uploads: Map<string, FakeUpload>;
  /** How often an object was stored, by key. */
  readonly stored: Map<string, number>;
};

const CREDENTIALS = { accessKey: "AKIAFAKEFAKEFAKE", secretKey: "a-secret/of+the-fake" };
const BUCKET = "fake-bucket";

/** S3 in memory, path style, with signatures checked. */
export async function startS3Fake(options: S3FakeOptions = {}): Promise<S3Fake> {
  const faults = new ObjectFaults(options.seed ?? 1);
  const protocol = new S3Protocol(options);
  const server = await startObjectServer(protocol, faults);
  const { objects, uploads, stored } = protocol;
  return { ...server, ...CREDENTIALS, bucket: BUCKET, faults, objects, uploads, stored };
}

class S3Protocol implements FakeProtocol {
  readonly objects = new Map<string, S3FakeObject>();
  readonly uploads = new Map<string, FakeUpload>();
  readonly stored = new Map<string, number>();
  readonly #options: S3FakeOptions;
  #count = 0;

  constructor(options: S3FakeOptions) {
    this.#options = options;
  }

  handle(request: FakeRequest): FakeResponse {
    const { method, url, headers } = request;
    const wrong =
      headers["x-fake-trusted"] === undefined ? signatureError(request, CREDENTIALS) : undefined;
    if (wrong !== undefined) return error(403, "SignatureDoesNotMatch", wrong);
    if (headers["content-encoding"] === "aws-chunked") {
      return error(501, "NotImplemented", "no trailing checksums here");
    }
    const [, bucket, ...rest] = url.pathname.split("/").map(decodeURIComponent);
    if (bucket !== BUCKET) return error(404, "NoSuchBucket", "no such bucket");
    const key = rest.join("/");
    const query = url.searchParams;
    if (key === "") return method === "GET" ? this.#list(query) : error(405, "MethodNotAllowed");
    const uploadId = query.get("uploadId");
    if (uploadId !== null) return this.#upload(request, uploadId);
    switch (method) {
      case "PUT":
        return this.#put(key, request);
      case "POST":
        return query.has("uploads") ? this.#start(key, request) : error(400, "InvalidRequest");
      case "GET":
      case "HEAD":
        return this.#get(key, request);
      case "DELETE":
        this.objects.delete(key);
        return { status: 204 };
      default:
        return error(405, "MethodNotAllowed");
    }
  }

  failure(fault: "status_500" | "status_503" | "slow_down" | "late_404"): FakeResponse {
    switch (fault) {
      case "status_500":
        return error(500, "InternalError", "try again");
      case "status_503":
        return error(503, "ServiceUnavailable", "try again");
      case "slow_down":
        return error(503, "SlowDown", "fewer requests, please");
      case "late_404":
        return error(404, "NoSuchKey", "not here yet");
    }
  }

  withOtherVersion(response: FakeResponse): FakeResponse {
    if (response.headers?.etag === undefined) return response;
    return { ...response, headers: { ...response.headers, etag: `"${"0".repeat(32)}"` } };
  }

  #put(key: string, { headers, body }: FakeRequest): FakeResponse {
    const md5 = createHash("md5").update(body);
    if (headers["content-md5"] !== md5.copy().digest("base64")) return error(400, "BadDigest");
    const refused = this.#condition(key, headers);
    if (refused !== undefined) return refused;
    return this.#store(key, body, md5.digest("hex"), headers);
  }

  #condition(key: string, headers: Readonly<Record<string, string>>): FakeResponse | undefined {
    const { conditions = "known", unquotedIfMatch = false } = this.#options;
    const absent = headers["if-none-match"];
    const match = headers["if-match"];
    if ((absent === undefined && match === undefined) || conditions === "ignored") return undefined;
    if (conditions === "refused") {
      return error(501, "NotImplemented", "a header implies what is not implemented");
    }
    const found = this.objects.get(key);
    if (absent !== undefined) {
      return found === undefined ? undefined : error(412, "PreconditionFailed");
    }
    if (found === undefined) return error(404, "NoSuchKey");
    const known = unquotedIfMatch ? found.etag.replaceAll('"', "") : found.etag;
    return known === match ? undefined : error(412, "PreconditionFailed");
  }

  #store(
    key: string,
    bytes: Buffer,
    checksum: string,
    headers: Readonly<Record<string, string>>,
  ): FakeResponse {
    const name = this.#options.opaqueETags === true ? `opaque-${++this.#count}` : checksum;
    const etag = `"${name}"`;
    this.objects.set(key, { bytes, etag, headers: amzHeaders(headers), modified: new Date() });
    this.stored.set(key, (this.stored.get(key) ?? 0) + 1);
    return { status: 200, headers: { etag, ...encryptionOf(headers) } };
  }

  #get(key: string, { headers }: FakeRequest): FakeResponse {
    const found = this.objects.get(key);
    if (found === undefined) return error(404, "NoSuchKey", "no such key");
    const ownKey = "x-amz-server-side-encryption-customer-key";
    if (found.headers[ownKey] !== headers[ownKey]) return error(400, "InvalidRequest", "the key");
    const kept = Object.entries(found.headers).filter(([name]) => name.startsWith("x-amz-meta-"));
    const common = {
      etag: found.etag,
      "last-modified": found.modified.toUTCString(),
      "accept-ranges": "bytes",
      ...encryptionOf(found.headers),
      ...Object.fromEntries(kept),
    };
    const range = rangeOf(headers.range, found.bytes.length);
    if (range === "unsatisfiable") return error(416, "InvalidRange");
    if (range === undefined) {
      const length = String(found.bytes.length);
      return { status: 200, headers: { ...common, "content-length": length }, body: found.bytes };
    }
    const { start, end } = range;
    const contentRange = `bytes ${start}-${end - 1}/${found.bytes.length}`;
    return {
      status: 206,
      headers: { ...common, "content-range": contentRange },
      body: found.bytes.subarray(start, end),
    };
  }

  #start(key: string, { headers }: FakeRequest): FakeResponse {
    const id = `upload-${++this.#count}`;
    this.uploads.set(id, { key, headers: amzHeaders(headers), parts: new Map() });
    return xml(
      `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      encryptionOf(headers),
    );
  }

  #upload(request: FakeRequest, id: string): FakeResponse {
    const upload = this.uploads.get(id);
    if (upload === undefined) return error(404, "NoSuchUpload", "no such upload");
    switch (request.method) {
      case "PUT":
        return this.#putPart(upload, request);
      case "POST":
        return this.#complete(id, upload, request);
      case "DELETE":
        this.uploads.delete(id);
        return { status: 204 };
      default:
        return error(405, "MethodNotAllowed");
    }
  }

  #putPart(upload: FakeUpload, { url, headers, body }: FakeRequest): FakeResponse {
    const md5 = createHash("md5").update(body);
    if (headers["content-md5"] !== md5.copy().digest("base64")) return error(400, "BadDigest");
    upload.parts.set(Number(url.searchParams.get("partNumber")), body);
    return { status: 200, headers: { etag: `"${this.#partETag(body)}"` } };
  }

  #partETag(body: Buffer): string {
    const checksum = createHash("md5").update(body).digest("hex");
    return this.#options.opaqueETags === true ? `part-${checksum}` : checksum;
  }

  #complete(id: string, upload: FakeUpload, { headers, body }: FakeRequest): FakeResponse {
    const refused = this.#condition(upload.key, headers);
    if (refused !== undefined) return refused;
    const parts: Buffer[] = [];
    for (const [, part = ""] of body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)) {
      const number = Number(/<PartNumber>(\d+)</.exec(part)?.[1]);
      const etag = /<ETag>(?:"|&quot;)(.*?)(?:"|&quot;)</.exec(part)?.[1];
      const bytes = upload.parts.get(number);
      if (bytes === undefined || etag !== this.#partETag(bytes)) return error(400, "InvalidPart");
      parts.push(bytes);
    }
    const digests = parts.map((part) => createHash("md5").update(part).digest());
    const checksum = createHash("md5").update(Buffer.concat(digests)).digest("hex");
    this.uploads.delete(id);
    const stored = this.#store(
      upload.key,
      Buffer.concat(parts),
      `${checksum}-${parts.length}`,
      upload.headers,
    );
    const etag = stored.headers?.etag ?? "";
    return xml(
      `<CompleteMultipartUploadResult><ETag>${escapeXml(etag)}</ETag></CompleteMultipartUploadResult>`,
    );
  }

  #list(query: URLSearchParams): FakeResponse {
    const { keys, prefixes, next } = pageOf([...this.objects.keys()].sort(), {
      prefix: query.get("prefix") ?? "",
      delimiter: query.get("delimiter") ?? "",
      after: Buffer.from(query.get("continuation-token") ?? "", "base64").toString(),
      limit: Number(query.get("max-keys") ?? 1000),
    });
    const contents = keys.map((key) => {
      const object = this.objects.get(key)!;
      const { etag, bytes, modified } = object;
      return `<Contents><Key>${escapeXml(key)}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>${escapeXml(etag)}</ETag><Size>${bytes.length}</Size></Contents>`;
    });
    const common = prefixes.map(
      (prefix) => `<CommonPrefixes><Prefix>${escapeXml(prefix)}</Prefix></CommonPrefixes>`,
    );
    const more =
      next === undefined
        ? ""
        : `<NextContinuationToken>${Buffer.from(next).toString("base64")}</NextContinuationToken>`;
    return xml(
      `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${more}${contents.join("")}${common.join("")}</ListBucketResult>`,
    );
  }
}

function amzHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("x-amz-")));
}

function encryptionOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept = ["x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm"];
  return Object.fromEntries(
    kept.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  );
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function xml(body: string, headers: Readonly<Record<string, string>> = {}): FakeResponse {
  return {
    status: 200,
    headers: { "content-type": "application/xml", ...headers },
    body: `<?xml version="1.0" encoding="UTF-8"?>${body}`,
  };
}

function error(status: number, code: string, message = code): FakeResponse {
  return { ...xml(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`), status };
}
