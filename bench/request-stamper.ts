import { mulberry32 } from "./workload.ts";

/** How a copy of the workload differs from the workload. */
export type Stamp = {
  /** Copies with different numbers have no trace and no span id in common. */
  readonly copy: number;
  /** Added to all times. */
  readonly shiftNanos: bigint;
};

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/**
 * Makes further requests out of one: other ids, other times, everything else the same. Building
 * them from objects costs more than the server needs to store them.
 */
export class RequestStamper {
  readonly spanCount: number;
  readonly traceCount: number;
  /** Earliest start of a span. */
  readonly startUnixNano: bigint;
  readonly #body: Uint8Array;
  /** Of the spans themselves, one after the other. */
  readonly #spanTraceIds: number[] = [];
  readonly #traceIds: number[] = [];
  readonly #spanIds: number[] = [];
  readonly #times: number[] = [];

  /** `body` is an uncompressed `ExportTraceServiceRequest`. */
  constructor(body: Uint8Array) {
    this.#body = body;
    const view = viewOf(body);
    const starts: number[] = [];
    for (const resourceSpans of fields(body, 0, body.length)) {
      if (resourceSpans.number !== 1) continue;
      for (const scopeSpans of fields(body, resourceSpans.from, resourceSpans.to)) {
        if (scopeSpans.number !== 2) continue;
        for (const span of fields(body, scopeSpans.from, scopeSpans.to)) {
          if (span.number === 2) starts.push(this.#readSpan(span));
        }
      }
    }
    this.#traceIds.push(...this.#spanTraceIds);
    this.spanCount = starts.length;
    this.traceCount = this.traces(body).size;
    let earliest = 2n ** 64n - 1n;
    for (const at of starts) {
      const start = view.getBigUint64(at, true);
      if (start < earliest) earliest = start;
    }
    this.startUnixNano = earliest;
  }

  stamp({ copy, shiftNanos }: Stamp): Uint8Array {
    const body = this.#body.slice();
    const mask = maskOf(copy);
    for (const at of this.#traceIds) {
      for (let i = 0; i < TRACE_ID_BYTES; i++) body[at + i]! ^= mask[i]!;
    }
    for (const at of this.#spanIds) {
      for (let i = 0; i < SPAN_ID_BYTES; i++) body[at + i]! ^= mask[i]!;
    }
    const view = viewOf(body);
    for (const at of this.#times) {
      view.setBigUint64(at, view.getBigUint64(at, true) + shiftNanos, true);
    }
    return body;
  }

  /** Spans by trace id (hex) of a body that `stamp` made. */
  traces(stamped: Uint8Array): Map<string, number> {
    const counts = new Map<string, number>();
    for (const at of this.#spanTraceIds) {
      const id = Buffer.from(stamped.buffer, stamped.byteOffset + at, TRACE_ID_BYTES);
      const hex = id.toString("hex");
      counts.set(hex, (counts.get(hex) ?? 0) + 1);
    }
    return counts;
  }

  /** Notes where the span's ids and times are; returns where its start time is. */
  #readSpan(span: Field): number {
    let start = 0;
    for (const field of fields(this.#body, span.from, span.to)) {
      switch (field.number) {
        case 1:
          this.#spanTraceIds.push(field.from);
          break;
        case 2:
        case 4:
          if (field.to > field.from) this.#spanIds.push(field.from);
          break;
        case 7:
          start = field.from;
          this.#times.push(field.from);
          break;
        case 8:
          this.#times.push(field.from);
          break;
        case 11:
          for (const inner of fields(this.#body, field.from, field.to)) {
            if (inner.number === 1) this.#times.push(inner.from);
          }
          break;
        case 13:
          for (const inner of fields(this.#body, field.from, field.to)) {
            if (inner.number === 1) this.#traceIds.push(inner.from);
            if (inner.number === 2) this.#spanIds.push(inner.from);
          }
          break;
      }
    }
    return start;
  }
}

/** The first byte's last bit stays: the workload sets it so that no id is zero. */
function maskOf(copy: number): Uint8Array {
  const mask = new Uint8Array(TRACE_ID_BYTES);
  if (copy === 0) return mask;
  const random = mulberry32(copy);
  for (let i = 0; i < mask.length; i++) mask[i] = Math.floor(random() * 256);
  mask[0]! &= 0xfe;
  return mask;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A field's content: `[from, to)`. */
type Field = { readonly number: number; readonly from: number; readonly to: number };

/** The fields of a message that is known to be well formed. */
function* fields(bytes: Uint8Array, from: number, to: number): Generator<Field, void> {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < to) {
    const tag = varint();
    const number = tag >>> 3;
    const start = at;
    switch (tag & 7) {
      case 0:
        varint();
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        const content = at;
        at += length;
        yield { number, from: content, to: at };
        continue;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7} at byte ${start}`);
    }
    yield { number, from: start, to: at };
  }
}
