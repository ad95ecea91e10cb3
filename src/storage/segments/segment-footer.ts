import { PintailError } from "../../errors.ts";
import type { StoredAttributeType } from "../../schema/columns.ts";
import type {
  KeyScope,
  KeyStats,
  RowGroupMeta,
  SegmentMeta,
  WalRange,
} from "../../schema/segment-meta.ts";
import { base64Decode } from "../../util/base64.ts";
import { isChecked } from "./checksums.ts";
import { MAGIC } from "./parquet/footer.ts";
import { readKeyValues } from "./parquet/key-values.ts";
import { ThriftReader } from "./parquet/thrift-reader.ts";
import { ThriftType } from "./parquet/thrift-writer.ts";

export const SEGMENT_FORMAT_VERSION = 1;
export const SEGMENT_KEY = "pintail.segment";
export const TRACE_FILTER_KEY = "pintail.trace_filter";
const KEYS: ReadonlySet<string> = new Set([SEGMENT_KEY, TRACE_FILTER_KEY]);

/** No writer of ours comes near; a longer one is not a footer. */
const MAX_FOOTER_BYTES = 256 << 20;
const TAIL_BYTES = 64 << 10;
/** Digits that any size below 2^53 has room in. */
const SIZE_WIDTH = 16;
const SIZE_MARK = '"byteSize":';

/**
 * The JSON of `meta` for the footer. The file's size is not known before its footer is, so that
 * number is preceded by as many spaces as it may need: `fillByteSize` replaces them.
 */
export function segmentMetaJson(meta: SegmentMeta): string {
  const { byteSize: _, traceFilter: __, ...rest } = meta;
  const json = JSON.stringify(rest, (_key, value) =>
    typeof value === "bigint" ? value.toString() : value,
  );
  return `{${SIZE_MARK}${" ".repeat(SIZE_WIDTH - 1)}0,${json.slice(1)}`;
}

/** Writes the size into bytes made by `segmentMetaJson`, whose length stays the same. */
export function fillByteSize(json: Uint8Array, byteSize: number): void {
  const digits = String(byteSize).padStart(SIZE_WIDTH);
  const at = 1 + SIZE_MARK.length;
  for (let i = 0; i < SIZE_WIDTH; i++) json[at + i] = digits.charCodeAt(i);
}

/**
 * A segment's description from the two strings in its footer. Throws `corrupt` when they are not
 * what a writer of this format version (or an older one) writes.
 */
export function parseSegmentMeta(json: string, traceFilterBase64: string): SegmentMeta {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new PintailError("corrupt", "the segment description is not JSON", { cause });
  }
  const root = new Fields(value, "segment");
  const formatVersion = root.count("formatVersion");
  if (formatVersion > SEGMENT_FORMAT_VERSION) {
    const message = `segment format version ${formatVersion} is newer than ${SEGMENT_FORMAT_VERSION}`;
    throw new PintailError("corrupt", message);
  }
  const traceFilter = base64Decode(traceFilterBase64);
  if (traceFilter === undefined) throw invalid("traceFilter");
  return {
    id: root.text("id"),
    tenant: root.text("tenant"),
    formatVersion,
    level: root.count("level"),
    rowCount: root.count("rowCount"),
    traceCount: root.count("traceCount"),
    byteSize: root.count("byteSize"),
    minTraceStart: root.bigint("minTraceStart"),
    maxTraceStart: root.bigint("maxTraceStart"),
    maxEnd: root.bigint("maxEnd"),
    rowGroups: root.list("rowGroups").map(parseRowGroup),
    optionalColumns: root.texts("optionalColumns"),
    keys: root.list("keys").map(parseKeyStats),
    walRange: parseWalRange(root.get("walRange")),
    replaces: root.texts("replaces"),
    createdUnixMs: root.count("createdUnixMs"),
    traceFilter,
    ...retentionClassOf(root),
  };
}

/**
 * Reads a segment's description from the end of its file, with one or two reads, without DuckDB.
 * Throws `corrupt` when the file is not a segment, or its footer is not as it was written; errors of `readAt` pass through.
 */
export async function readSegmentMeta(
  readAt: (offset: number, length: number) => Promise<Uint8Array>,
  fileSize: number,
): Promise<SegmentMeta> {
  if (fileSize < 12) throw invalid(`file of ${fileSize} bytes`);
  const tailBytes = Math.min(fileSize, TAIL_BYTES);
  const tail = await readExactly(readAt, fileSize - tailBytes, tailBytes);
  for (let i = 0; i < 4; i++) {
    if (tail[tailBytes - 4 + i] !== MAGIC[i])
      throw invalid("file: it does not end as Parquet does");
  }
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const footerBytes = view.getUint32(tailBytes - 8, true);
  if (footerBytes > fileSize - 12 || footerBytes > MAX_FOOTER_BYTES) {
    throw invalid(`footer length ${footerBytes} in a file of ${fileSize} bytes`);
  }
  const footer =
    footerBytes + 8 <= tailBytes
      ? tail.subarray(tailBytes - 8 - footerBytes, tailBytes - 8)
      : await readExactly(readAt, fileSize - 8 - footerBytes, footerBytes);
  isChecked(footer);
  const values = readFooterValues(footer);
  const json = values.get(SEGMENT_KEY);
  const filter = values.get(TRACE_FILTER_KEY);
  if (json === undefined || filter === undefined) throw invalid("file: it has no description");
  const decoder = new TextDecoder();
  return parseSegmentMeta(decoder.decode(json), decoder.decode(filter));
}

async function readExactly(
  readAt: (offset: number, length: number) => Promise<Uint8Array>,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await readAt(offset, length);
  if (bytes.length === length) return bytes;
  throw invalid(`file: ${bytes.length} of ${length} bytes at ${offset} could be read`);
}

/** The key-value metadata of a Parquet footer that may be hostile. */
function readFooterValues(footer: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const reader = new ThriftReader(footer);
  let values = new Map<string, Uint8Array>();
  reader.beginStruct();
  for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
    if (reader.fieldId === 5 && type === ThriftType.list) values = readKeyValues(reader, KEYS);
    else reader.skip(type);
  }
  return values;
}

function parseRowGroup(value: unknown): RowGroupMeta {
  const fields = new Fields(value, "rowGroup");
  return {
    rowCount: fields.count("rowCount"),
    minTraceStart: fields.bigint("minTraceStart"),
    maxTraceStart: fields.bigint("maxTraceStart"),
  };
}

function parseWalRange(value: unknown): WalRange | undefined {
  if (value === undefined) return undefined;
  const fields = new Fields(value, "walRange");
  return { from: fields.count("from"), to: fields.count("to") };
}

/** Absent from segments that have their tenant's retention, and from those of older versions. */
function retentionClassOf(root: Fields): { readonly retentionClass?: string } {
  if (root.get("retentionClass") === undefined) return {};
  return { retentionClass: root.text("retentionClass") };
}

const SCOPES: readonly string[] = [
  "span",
  "resource",
  "instrumentation",
  "event",
  "link",
  "intrinsic",
] satisfies KeyScope[];
const TYPES: readonly string[] = [
  "string",
  "int",
  "double",
  "bool",
  "json",
] satisfies StoredAttributeType[];

function parseKeyStats(value: unknown): KeyStats {
  const fields = new Fields(value, "key");
  return {
    scope: fields.oneOf("scope", SCOPES) as KeyScope,
    key: fields.text("key"),
    type: fields.oneOf("type", TYPES) as StoredAttributeType,
    count: fields.count("count"),
    distinct: fields.count("distinct"),
    values: fields.texts("values"),
    complete: fields.flag("complete"),
    dedicated: fields.flag("dedicated"),
    ...servicesOf(fields),
  };
}

/** At most 64 services. */
const SERVICES = /^[0-9a-f]{1,16}$/;

/** Absent from what occurs with services nobody knows, and from segments of older versions. */
function servicesOf(fields: Fields): Pick<KeyStats, "services" | "keyServices"> {
  const found: { services?: string[]; keyServices?: string } = {};
  if (fields.get("services") !== undefined) {
    const services = fields.texts("services");
    const isSound = services.length === fields.texts("values").length;
    if (!isSound || !services.every((text) => SERVICES.test(text))) throw invalid("services");
    found.services = services;
  }
  if (fields.get("keyServices") !== undefined) {
    found.keyServices = fields.text("keyServices");
    if (!SERVICES.test(found.keyServices)) throw invalid("keyServices");
  }
  return found;
}

/** Checked access to the fields of a JSON object. */
class Fields {
  readonly #object: Record<string, unknown>;
  readonly #what: string;

  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(what);
    this.#object = value as Record<string, unknown>;
    this.#what = what;
  }

  get(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  text(name: string): string {
    const value = this.get(name);
    if (typeof value !== "string") throw this.#invalid(name);
    return value;
  }

  oneOf(name: string, allowed: readonly string[]): string {
    const value = this.text(name);
    if (!allowed.includes(value)) throw this.#invalid(name);
    return value;
  }

  count(name: string): number {
    const value = this.get(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw this.#invalid(name);
    }
    return value;
  }

  flag(name: string): boolean {
    const value = this.get(name);
    if (typeof value !== "boolean") throw this.#invalid(name);
    return value;
  }

  bigint(name: string): bigint {
    const value = this.text(name);
    if (!/^-?\d{1,19}$/.test(value)) throw this.#invalid(name);
    return BigInt(value);
  }

  list(name: string): readonly unknown[] {
    const value = this.get(name);
    if (!Array.isArray(value)) throw this.#invalid(name);
    return value;
  }

  texts(name: string): string[] {
    return this.list(name).map((value) => {
      if (typeof value !== "string") throw this.#invalid(name);
      return value;
    });
  }

  #invalid(name: string): PintailError {
    return invalid(`${this.#what}.${name}`);
  }
}

function invalid(what: string): PintailError {
  return new PintailError("corrupt", `invalid segment ${what}`);
}
