import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { RowCache } from "../shared/row-cache.ts";
import { TagType, type TagValues } from "./tag-values.ts";

/** A collector that got no service name from OTLP sends this, over protobuf. */
const NO_SERVICE_NAME = "OTLPResourceNoServiceName";

/**
 * Processes as rows of resources, one for each distinct encoding. The order of calls for a process
 * is `find`; when that has no row, `tag` for each of its tags, then `close`.
 */
export class ProcessRows {
  readonly #batch: SpanBatch;
  readonly #tag: TagValues;
  readonly #rows: RowCache;
  readonly #noService: number;
  readonly #serviceName: number;
  readonly #hostname: number;
  readonly #hostDotName: number;
  readonly #jaegerVersion: number;
  readonly #exporterVersion: number;
  #key = 0;

  constructor(batch: SpanBatch, tag: TagValues) {
    const { strings } = batch;
    this.#batch = batch;
    this.#tag = tag;
    this.#rows = new RowCache(strings.seed);
    this.#noService = strings.internText(NO_SERVICE_NAME);
    this.#serviceName = strings.internText("service.name");
    this.#hostname = strings.internText("hostname");
    this.#hostDotName = strings.internText("host.name");
    this.#jaegerVersion = strings.internText("jaeger.version");
    this.#exporterVersion = strings.internText("opencensus.exporterversion");
  }

  begin(): void {
    this.#rows.begin();
  }

  rollback(): void {
    this.#rows.rollback();
  }

  /**
   * The row of the process whose parts these are (start, end, start, end …), -1 when it has none yet.
   * The same bytes of another `protocol` are another process.
   */
  find(bytes: Uint8Array, parts: readonly number[], protocol: number): number {
    this.#key = this.#rows.key(bytes, parts, protocol);
    return this.#rows.row(this.#key);
  }

  /** Takes the tag at hand. */
  tag(): void {
    this.#tag.push(this.#batch.resourceAttributes, this.#tag.wholeKey(0));
  }

  /** Ends the process, whose service name is at that place in the bytes received. */
  close(serviceStart: number, serviceEnd: number, protocol: "protobuf" | "thrift"): number {
    const batch = this.#batch;
    const columns = batch.resourceAttributes;
    const tag = this.#tag;
    const service = batch.strings.intern(tag.bytes, serviceStart, serviceEnd);
    if (protocol === "protobuf" && service === this.#noService)
      columns.truncate(batch.resourceCount);
    else {
      this.#rename(this.#hostname, this.#hostDotName);
      this.#renameVersion();
      if (service !== 0 && !this.#has(this.#serviceName)) {
        // The key is never cut: it is what makes the value the service's name.
        tag.keyStart = 0;
        tag.keyEnd = 0;
        tag.type = TagType.string;
        tag.lo = serviceStart;
        tag.hi = serviceEnd;
        tag.push(columns, this.#serviceName);
      }
    }
    let serviceName = 0;
    for (let i = columns.offsets[columns.ownerCount]!; i < columns.count; i++) {
      if (columns.keys[i] !== this.#serviceName) continue;
      serviceName = columns.types[i] === AttributeType.string ? columns.values[2 * i]! : 0;
    }
    const row = batch.closeResource(0, 0, serviceName);
    this.#rows.add(this.#key, row);
    return row;
  }

  #has(key: number): boolean {
    const columns = this.#batch.resourceAttributes;
    for (let i = columns.offsets[columns.ownerCount]!; i < columns.count; i++) {
      if (columns.keys[i] === key) return true;
    }
    return false;
  }

  #rename(from: number, to: number): boolean {
    if (this.#has(to)) return false;
    const columns = this.#batch.resourceAttributes;
    for (let i = columns.offsets[columns.ownerCount]!; i < columns.count; i++) {
      if (columns.keys[i] === from) columns.keys[i] = to;
    }
    return true;
  }

  /** The client library's version, under the name that OpenCensus gave it. */
  #renameVersion(): void {
    if (!this.#rename(this.#jaegerVersion, this.#exporterVersion)) return;
    const { strings, resourceAttributes: columns } = this.#batch;
    for (let i = columns.offsets[columns.ownerCount]!; i < columns.count; i++) {
      if (columns.keys[i] !== this.#exporterVersion) continue;
      const isText = columns.types[i] === AttributeType.string;
      const version = isText ? strings.text(columns.values[2 * i]!) : "";
      columns.types[i] = AttributeType.string;
      columns.values[2 * i] = strings.internText(`Jaeger-${version}`);
      columns.values[2 * i + 1] = 0;
    }
  }
}
