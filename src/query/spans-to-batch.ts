import { type AttributeColumns, AttributeType } from "../model/attribute-columns.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import type { Attribute, InstrumentationScope, Resource, StoredSpan } from "./trace.ts";
import { traceIdFromHex } from "./trace-id.ts";

/**
 * Appends spans read from segments to a batch: with `RowsToSpans` the way from segments to a merged
 * one. Equal resources and scopes must be the same object, as one `RowsToSpans` gives them.
 */
export class SpansToBatch {
  readonly #batch: SpanBatch;
  readonly #resources = new Map<Resource, number>();
  readonly #scopes = new Map<InstrumentationScope, number>();

  constructor(batch: SpanBatch) {
    this.#batch = batch;
  }

  add({ span, resource, scope }: StoredSpan): void {
    const batch = this.#batch;
    const { strings } = batch;
    const resourceRow = this.#resourceRow(resource);
    const scopeRow = this.#scopeRow(scope);
    const row = batch.openSpan();
    batch.traceIndex[row] = batch.internTrace(traceIdFromHex(span.traceId), 0);
    setU64(batch.spanId, row, span.spanId);
    setU64(batch.parentSpanId, row, span.parentSpanId ?? 0n);
    setU64(batch.start, row, span.startUnixNano);
    setU64(batch.end, row, span.endUnixNano);
    batch.name[row] = strings.internText(span.name);
    batch.kind[row] = span.kind;
    batch.status[row] = span.statusCode;
    batch.statusMessage[row] = strings.internText(span.statusMessage);
    batch.traceState[row] = strings.internText(span.traceState);
    batch.flags[row] = span.flags;
    batch.droppedAttributes[row] = span.droppedAttributesCount;
    batch.droppedEvents[row] = span.droppedEventsCount;
    batch.droppedLinks[row] = span.droppedLinksCount;
    batch.resource[row] = resourceRow;
    batch.scope[row] = scopeRow;
    this.#attributes(batch.attributes, span.attributes);
    for (const event of span.events) {
      const eventRow = batch.openEvent();
      setU64(batch.eventTime, eventRow, event.timeUnixNano);
      batch.eventName[eventRow] = strings.internText(event.name);
      batch.eventDropped[eventRow] = event.droppedAttributesCount;
      this.#attributes(batch.eventAttributes, event.attributes);
      batch.closeEvent();
    }
    for (const link of span.links) {
      const linkRow = batch.openLink();
      batch.linkTraceId.set(traceIdFromHex(link.traceId), linkRow * 16);
      setU64(batch.linkSpanId, linkRow, link.spanId);
      batch.linkTraceState[linkRow] = strings.internText(link.traceState);
      batch.linkFlags[linkRow] = link.flags;
      batch.linkDropped[linkRow] = link.droppedAttributesCount;
      this.#attributes(batch.linkAttributes, link.attributes);
      batch.closeLink();
    }
    batch.closeSpan();
  }

  #resourceRow(resource: Resource): number {
    let row = this.#resources.get(resource);
    if (row === undefined) {
      const { strings } = this.#batch;
      this.#attributes(this.#batch.resourceAttributes, resource.attributes);
      // As the segment writer has it: another one may be of another type.
      const serviceName = resource.attributes.findLast(
        ({ key, value }) => key === "service.name" && typeof value === "string",
      )?.value;
      row = this.#batch.closeResource(
        resource.droppedAttributesCount,
        strings.internText(resource.schemaUrl),
        typeof serviceName === "string" ? strings.internText(serviceName) : 0,
      );
      this.#resources.set(resource, row);
    }
    return row;
  }

  #scopeRow(scope: InstrumentationScope): number {
    let row = this.#scopes.get(scope);
    if (row === undefined) {
      const { strings } = this.#batch;
      this.#attributes(this.#batch.scopeAttributes, scope.attributes);
      row = this.#batch.closeScope(
        strings.internText(scope.name),
        strings.internText(scope.version),
        scope.droppedAttributesCount,
        strings.internText(scope.schemaUrl),
      );
      this.#scopes.set(scope, row);
    }
    return row;
  }

  #attributes(columns: AttributeColumns, attributes: readonly Attribute[]): void {
    const { strings } = this.#batch;
    for (const { key, value } of attributes) {
      const keyId = strings.internText(key);
      switch (typeof value) {
        case "string":
          columns.push(keyId, AttributeType.string, strings.internText(value), 0);
          break;
        case "boolean":
          columns.push(keyId, AttributeType.bool, value ? 1 : 0, 0);
          break;
        case "bigint":
          columns.push(keyId, AttributeType.int, lowOf(value), highOf(value));
          break;
        case "number":
          double[0] = value;
          columns.push(keyId, AttributeType.double, doubleBits[0]!, doubleBits[1]!);
          break;
        default:
          columns.push(keyId, AttributeType.json, strings.internText(value.json), 0);
      }
    }
  }
}

const double = new Float64Array(1);
/** Little endian like all platforms that the runtimes exist for. */
const doubleBits = new Uint32Array(double.buffer);

function lowOf(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}

function highOf(value: bigint): number {
  return Number(BigInt.asUintN(32, value >> 32n));
}

function setU64(column: Uint32Array, row: number, value: bigint): void {
  column[2 * row] = lowOf(value);
  column[2 * row + 1] = highOf(value);
}
