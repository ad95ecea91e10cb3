import type { SpanBatch } from "../../model/span-batch.ts";
import { BatchAttributes } from "../batch-attributes.ts";
import type { Budget } from "../budget.ts";
import { type BatchFilter, keysOfPolicies, SpanFilter } from "../filter-policy.ts";
import { Multipliers } from "../multiplier.ts";
import type { ObserveRows, Processor } from "../processor.ts";
import { sanitizedName } from "../registry/label-set.ts";
import type { SeriesRegistry } from "../registry/series-registry.ts";
import type { ServiceGraphSettings } from "../settings.ts";
import { durationSeconds, endUnixNano, startUnixNano } from "../span-times.ts";
import { SpanKind, STATUS_ERROR } from "../span-words.ts";
import { type Edge, isComplete } from "./edge.ts";
import { EdgeMetrics } from "./edge-metrics.ts";
import { EdgeStore } from "./edge-store.ts";
import { ADDRESS_KEYS, GraphAttributes } from "./graph-attributes.ts";

const EXPIRY_CHECK_MS = 2000;
/** Who calls a root of which nobody says so. */
const USER = "user";

export type ServiceGraphFigures = {
  edges: number;
  expiredEdges: number;
  droppedSpans: number;
  droppedEdges: number;
  leftOutOverflow: number;
};

/** What is known of all spans of a batch. */
type Batch = {
  readonly spans: SpanBatch;
  readonly filter: BatchFilter | undefined;
  readonly texts: GraphAttributes;
  readonly multipliers: Multipliers;
  readonly nowMs: number;
};

/** Who calls whom, by pairs of a client's and a server's span. */
export class ServiceGraphs implements Processor {
  readonly name = "service-graphs";
  filtered = 0;
  readonly figures: ServiceGraphFigures = {
    edges: 0,
    expiredEdges: 0,
    droppedSpans: 0,
    droppedEdges: 0,
    leftOutOverflow: 0,
  };
  readonly #settings: ServiceGraphSettings;
  readonly #metrics: EdgeMetrics;
  readonly #edges: EdgeStore;
  readonly #filter: SpanFilter;
  readonly #keys: readonly string[];
  #checkedMs = 0;

  constructor(settings: ServiceGraphSettings, registry: SeriesRegistry, edges: Budget) {
    this.#settings = settings;
    this.#metrics = new EdgeMetrics(settings, registry);
    this.#edges = new EdgeStore(settings, edges);
    this.#filter = new SpanFilter(settings.filterPolicies);
    const { dimensions, peerAttributes, databaseNameAttributes, multiplier } = settings;
    this.#keys = [
      ...new Set([
        ...[...dimensions, ...peerAttributes, ...databaseNameAttributes, ...ADDRESS_KEYS],
        ...(multiplier.key === "" ? [] : [multiplier.key]),
        ...keysOfPolicies(settings.filterPolicies),
      ]),
    ];
  }

  over(spans: SpanBatch, nowMs: number): ObserveRows {
    const attributes = new BatchAttributes(spans, this.#keys);
    const batch: Batch = {
      spans,
      filter: this.#filter.over(spans, attributes),
      texts: new GraphAttributes(spans, attributes),
      multipliers: new Multipliers(spans, attributes, this.#settings.multiplier),
      nowMs,
    };
    return (rows) => {
      for (const row of rows) {
        const kind = spans.kind[row]!;
        const isClient = kind === SpanKind.client || kind === SpanKind.producer;
        if (!isClient && kind !== SpanKind.server && kind !== SpanKind.consumer) continue;
        if (spans.resourceServiceName[spans.resource[row]!] === 0) continue;
        this.#observe(batch, row, isClient);
      }
    };
  }

  tick(nowMs: number): void {
    if (nowMs - this.#checkedMs < EXPIRY_CHECK_MS) return;
    this.#checkedMs = nowMs;
    for (const edge of this.#edges.takeExpired(nowMs)) this.#expire(edge, nowMs);
    this.#metrics.forget();
  }

  close(): void {
    this.#edges.clear();
  }

  #observe(batch: Batch, row: number, isClient: boolean): void {
    const { spans, filter, nowMs } = batch;
    const isRoot = !isClient && isZero(spans.parentSpanId, row);
    const key = keyOf(spans, row, isClient ? spans.spanId : spans.parentSpanId);
    if (filter?.keeps(row) === false) {
      this.filtered++;
      if (!isRoot) this.#leaveOut(key, nowMs);
      return;
    }
    if (filter !== undefined && this.#edges.takeLeftOut(key)) {
      this.figures.droppedEdges++;
      return;
    }
    let edge = this.#edges.get(key);
    if (edge === undefined) {
      edge = this.#newEdge(key, batch, row);
      if (!this.#edges.add(edge)) {
        this.figures.droppedSpans++;
        return;
      }
      this.figures.edges++;
    }
    if (isClient) this.#addClient(edge, batch, row);
    else this.#addServer(edge, batch, row, isRoot);
    if (!isComplete(edge)) return;
    this.#edges.delete(key);
    this.#metrics.count(edge, undefined, nowMs);
  }

  /** The other side shall not look as if nobody had answered or asked. */
  #leaveOut(key: string, nowMs: number): void {
    if (this.#edges.delete(key)) this.figures.droppedEdges++;
    else if (!this.#edges.leaveOut(key, nowMs)) this.figures.leftOutOverflow++;
  }

  #newEdge(key: string, { spans, nowMs }: Batch, row: number): Edge {
    const at = 16 * spans.traceIndex[row]!;
    return {
      key,
      traceId: spans.traceIds.slice(at, at + 16),
      expiresMs: this.#edges.expiryOf(nowMs),
      client: "",
      server: "",
      connectionType: "",
      failed: false,
      clientSeconds: 0,
      serverSeconds: 0,
      sentUnixNano: undefined,
      receivedUnixNano: undefined,
      peer: "",
      isRoot: false,
      weight: 1,
      dimensions: new Map(),
    };
  }

  #addClient(edge: Edge, batch: Batch, row: number): void {
    const { spans, texts } = batch;
    this.#addEither(edge, batch, row, "client_");
    edge.client = texts.service(row);
    edge.clientSeconds = durationSeconds(spans, row);
    edge.connectionType = "";
    if (spans.kind[row] === SpanKind.producer) {
      edge.connectionType = "messaging_system";
      edge.sentUnixNano = endUnixNano(spans, row);
    }
    const database = texts.database(row, this.#settings.databaseNameAttributes);
    if (database === undefined) return;
    edge.connectionType = "database";
    edge.server = database;
    edge.serverSeconds = edge.clientSeconds;
  }

  #addServer(edge: Edge, batch: Batch, row: number, isRoot: boolean): void {
    const { spans, texts } = batch;
    this.#addEither(edge, batch, row, "server_");
    edge.server = texts.service(row);
    edge.serverSeconds = durationSeconds(spans, row);
    edge.isRoot = isRoot;
    edge.connectionType = "";
    if (spans.kind[row] === SpanKind.consumer) {
      edge.connectionType = "messaging_system";
      edge.receivedUnixNano = startUnixNano(spans, row);
    }
  }

  #addEither(edge: Edge, { spans, texts, multipliers }: Batch, row: number, prefix: string): void {
    const { dimensions, clientServerPrefix, peerAttributes } = this.#settings;
    if (spans.status[row] === STATUS_ERROR) edge.failed = true;
    edge.weight = multipliers.of(row);
    edge.peer = texts.firstOfSpan(row, peerAttributes);
    for (const key of dimensions) {
      const value = texts.of(row, key);
      if (value === undefined) continue;
      edge.dimensions.set(sanitizedName(clientServerPrefix ? prefix + key : key), value);
    }
  }

  #expire(edge: Edge, nowMs: number): void {
    const isServer = edge.client === "";
    const peer = isServer && edge.isRoot ? edge.peer || USER : isServer ? "" : edge.peer;
    if (peer === "") {
      this.figures.expiredEdges++;
      return;
    }
    if (isServer) edge.client = peer;
    else edge.server = peer;
    edge.connectionType = "virtual_node";
    this.#metrics.count(edge, isServer ? "client" : "server", nowMs);
  }
}

function isZero(ids: Uint32Array, row: number): boolean {
  return (ids[2 * row]! | ids[2 * row + 1]!) === 0;
}

/** Of the client's span: its trace and its own id. */
function keyOf({ traceIds, traceIndex }: SpanBatch, row: number, ids: Uint32Array): string {
  const at = 16 * traceIndex[row]!;
  let key = "";
  for (let i = at; i < at + 16; i += 2)
    key += String.fromCharCode((traceIds[i]! << 8) | traceIds[i + 1]!);
  const lo = ids[2 * row]!;
  const hi = ids[2 * row + 1]!;
  return key + String.fromCharCode(lo & 0xffff, lo >>> 16, hi & 0xffff, hi >>> 16);
}
