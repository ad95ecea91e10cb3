import { PintailError } from "../../errors.ts";
import type { BucketBackend, ReadRange, WriteCondition } from "./bucket-backend.ts";
import { uploadInParts } from "./bucket-upload.ts";
import { BucketWriter, type WriteJob, type WriteOutcome } from "./bucket-write.ts";
import { checkKey, checkListPrefix, normalPrefix } from "./object-key.ts";
import {
  type ByteRange,
  type GetOptions,
  type ListOptions,
  MAX_LIST_KEYS,
  MAX_REPLACE_BYTES,
  type ObjectBody,
  type ObjectContent,
  type ObjectInfo,
  type ObjectPage,
  type ObjectSource,
  type ObjectStore,
  type PutOptions,
  type PutResult,
  type RangesContent,
  type ReadOptions,
  type ReplaceOptions,
  type ReplaceResult,
  type RequestOptions,
} from "./object-store.ts";
import { checkRanges } from "./ranges.ts";
import { type ReadResult, readBody } from "./read-body.ts";
import { type FailureReason, RequestFailure, toPintailError } from "./request-failure.ts";
import { RequestLimiter } from "./request-limiter.ts";
import { RequestRunner } from "./request-runner.ts";
import type { BucketSettings } from "./settings.ts";
import type { ObjectStoreParts } from "./store-parts.ts";

/** Parts of all uploads in memory: the bound on what uploading holds, times the part size. */
const PARTS_IN_MEMORY = 8;

/** An `ObjectStore` over any bucket: keys, bounds, retries and checks are the same for all. */
export class BucketStore implements ObjectStore {
  readonly backend: "s3" | "gcs";
  readonly location: string;
  readonly #bucket: BucketBackend;
  readonly #parts: ObjectStoreParts;
  readonly #prefix: string;
  readonly #partBytes: number;
  readonly #closing = new AbortController();
  readonly #runner: RequestRunner;
  readonly #writer: BucketWriter;
  readonly #partSlots = new RequestLimiter(PARTS_IN_MEMORY);

  constructor(bucket: BucketBackend, parts: ObjectStoreParts, settings: BucketSettings) {
    this.#bucket = bucket;
    this.#parts = parts;
    this.#prefix = normalPrefix(settings.prefix);
    this.#partBytes = settings.partBytes;
    this.backend = bucket.backend;
    this.location = `${bucket.location}/${this.#prefix}`;
    this.#runner = new RequestRunner(parts, this.#closing.signal, settings);
    this.#writer = new BucketWriter(bucket, this.#runner);
  }

  async put(key: string, body: ObjectBody, options: PutOptions): Promise<PutResult> {
    const sizeBytes = body instanceof Uint8Array ? body.length : body.sizeBytes;
    const condition: WriteCondition = { type: options.ifAbsent ? "absent" : "none" };
    const job = this.#job(key, sizeBytes, condition, options.ifAbsent, options);
    const result = await this.#write(job, body);
    if (result.outcome === "written") {
      return { outcome: "stored", info: { key, sizeBytes, version: result.version } };
    }
    if (result.found === undefined) {
      throw toPintailError(
        job.what,
        new RequestFailure("busy", "it was refused, yet is not there"),
      );
    }
    const { version, sizeBytes: foundBytes } = result.found;
    return { outcome: "exists", info: { key, sizeBytes: foundBytes, version } };
  }

  async get(key: string, options: GetOptions): Promise<ObjectContent> {
    const { bytes, ...found } = await this.#read(key, undefined, options.maxBytes, options);
    return { info: { key, ...found }, bytes };
  }

  async getRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
  ): Promise<RangesContent> {
    checkRanges(ranges);
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    options.signal.addEventListener("abort", onAbort);
    if (options.signal.aborted) stop.abort();
    try {
      const read = (range: ByteRange) =>
        this.#read(key, range, range.end - range.start, { ...options, signal: stop.signal });
      const results = await Promise.all(ranges.map(read));
      const [first] = results;
      if (first === undefined) throw new Error("no ranges");
      if (results.some((result) => result.version !== first.version)) {
        const failure = new RequestFailure("changed", "it was replaced while it was read");
        throw toPintailError(this.#what("read", key), failure);
      }
      return {
        info: { key, sizeBytes: first.sizeBytes, version: first.version },
        parts: results.map((result) => result.bytes),
      };
    } finally {
      // After one failure the others are in vain.
      stop.abort();
      options.signal.removeEventListener("abort", onAbort);
    }
  }

  async head(key: string, options: RequestOptions): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const { signal } = options;
    const found = await this.#runner.retry({ what: this.#what("look at", key), signal }, () =>
      this.#writer.find(this.#prefix + key, signal),
    );
    return found && { key, sizeBytes: found.sizeBytes, version: found.version };
  }

  async delete(key: string, options: RequestOptions): Promise<void> {
    checkKey(key);
    const { signal } = options;
    await this.#runner.retry({ what: this.#what("delete", key), signal }, () =>
      this.#runner.request("delete", signal, {}, (s) => this.#bucket.delete(this.#prefix + key, s)),
    );
  }

  async list(options: ListOptions): Promise<ObjectPage> {
    checkListPrefix(options.prefix);
    const { signal, delimiter, page } = options;
    const request = {
      prefix: this.#prefix + options.prefix,
      delimiter,
      maxKeys: Math.min(Math.max(1, options.maxKeys ?? MAX_LIST_KEYS), MAX_LIST_KEYS),
      page,
    };
    const found = await this.#runner.retry(
      { what: this.#what("list", options.prefix), signal },
      () => this.#runner.request("list", signal, {}, (s) => this.#bucket.list(request, s)),
    );
    const cut = this.#prefix.length;
    return {
      objects: found.objects.map((object) => ({ ...object, key: object.key.slice(cut) })),
      prefixes: found.prefixes.map((prefix) => prefix.slice(cut)),
      nextPage: found.nextPage,
    };
  }

  async replace(key: string, bytes: Uint8Array, options: ReplaceOptions): Promise<ReplaceResult> {
    const { ifVersion } = options;
    if (bytes.length > MAX_REPLACE_BYTES) {
      throw new PintailError(
        "too_large",
        `${bytes.length} bytes to replace ${key} with, at most ${MAX_REPLACE_BYTES}`,
      );
    }
    const condition: WriteCondition =
      ifVersion === undefined ? { type: "absent" } : { type: "version", version: ifVersion };
    const job = this.#job(key, bytes.length, condition, false, options);
    const result = await this.#writer.put(job, bytes);
    if (result.outcome === "refused") return { outcome: "conflict" };
    const info = { key, sizeBytes: bytes.length, version: result.version };
    return { outcome: "replaced", info };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#bucket.close();
  }

  #write(job: WriteJob, body: ObjectBody): Promise<WriteOutcome> {
    const sizeBytes = job.sizeBytes;
    if (sizeBytes <= this.#partBytes) {
      if (body instanceof Uint8Array) return this.#writer.put(job, body);
      return this.#partSlots.run(job.signal, async () =>
        this.#writer.put(job, await readWhole(job.what, body)),
      );
    }
    const source = body instanceof Uint8Array ? sourceOf(body) : body;
    return uploadInParts(this.#writer, this.#partSlots, job, source, this.#partBytes);
  }

  #read(
    key: string,
    range: ReadRange | undefined,
    maxBytes: number,
    options: ReadOptions,
  ): Promise<ReadResult> {
    checkKey(key);
    const { signal, mustExist } = options;
    const expected = { version: options.version, sizeBytes: options.sizeBytes };
    const doubtful: FailureReason[] = mustExist === true ? ["changed", "missing"] : ["changed"];
    return this.#runner.retry({ what: this.#what("read", key), signal, doubtful }, () =>
      this.#runner.request(
        "get",
        signal,
        { expectedBytes: maxBytes },
        async (s) => {
          const response = await this.#bucket.read(this.#prefix + key, range, s);
          return readBody(response, range, maxBytes, expected, s);
        },
        (result) => result.bytes.length,
      ),
    );
  }

  #job(
    key: string,
    sizeBytes: number,
    condition: WriteCondition,
    lookInstead: boolean,
    { signal }: RequestOptions,
  ): WriteJob {
    checkKey(key);
    const what = this.#what("write", key);
    return {
      what,
      key: this.#prefix + key,
      uploadId: this.#parts.newId(),
      condition,
      sizeBytes,
      lookInstead,
      signal,
    };
  }

  #what(action: string, key: string): string {
    return `${action} ${this.location}${key}`;
  }
}

async function readWhole(what: string, source: ObjectSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(source.sizeBytes);
  const count = await source.read(bytes, 0);
  if (count !== bytes.length) {
    throw new Error(`${what}: the body ends at ${count} of ${bytes.length} bytes`);
  }
  return bytes;
}

function sourceOf(bytes: Uint8Array): ObjectSource {
  return {
    sizeBytes: bytes.length,
    async read(target, position) {
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
  };
}
