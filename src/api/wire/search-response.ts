import { create } from "@bufbuild/protobuf";
import {
  type KeyValue,
  KeyValueSchema,
} from "../../../gen/opentelemetry/proto/common/v1/common_pb.ts";
import {
  type SearchResponse,
  SearchResponseSchema,
  type SpanSet,
  SpanSetSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import type {
  FoundAttribute,
  FoundSpanset,
  FoundTrace,
  SearchResult,
  SearchStats,
} from "../../query/search-result.ts";
import { spanIdToHex } from "../../query/trace-id.ts";
import type { AnyValueLike } from "../../traceql/sql/field.ts";
import type { AnyValueJson, KeyValueJson } from "./any-value.ts";
import { anyValueToMessage } from "./any-value-message.ts";
import { decimalUnlessZero, unlessDefault } from "./json-text.ts";

export type SearchResponseOptions = {
  /** Trace ids with all 32 digits; else without leading zeros, as Tempo writes them. */
  readonly leftPadTraceIds: boolean;
};

/** What Grafana shows for a trace whose root, or the root's service name, is missing. */
const NO_ROOT = "<root span not yet received>";

/** The JSON object; no keys beyond Tempo's, since Grafana refuses unknown ones. */
export function searchResponseToJson(
  { traces, stats }: SearchResult,
  options: SearchResponseOptions,
): unknown {
  return {
    traces: traces.map((trace) => traceToJson(trace, options)),
    metrics: {
      inspectedTraces: unlessDefault(traces.length),
      inspectedBytes: decimalUnlessZero(stats.inspectedBytes),
      totalBlocks: unlessDefault(stats.segmentCount),
      completedJobs: unlessDefault(stats.completedJobs),
      totalJobs: unlessDefault(stats.totalJobs),
      totalBlockBytes: decimalUnlessZero(stats.segmentBytes),
      inspectedSpans: decimalUnlessZero(stats.inspectedSpanCount),
    },
  };
}

function traceToJson(trace: FoundTrace, options: SearchResponseOptions): unknown {
  const spanSets = trace.spansets?.map(spansetToJson);
  return {
    traceID: shownTraceId(trace.traceId, options),
    rootServiceName: trace.rootServiceName || NO_ROOT,
    rootTraceName: unlessDefault(trace.rootSpanName),
    startTimeUnixNano: decimalUnlessZero(trace.startUnixNano),
    durationMs: unlessDefault(durationMs(trace)),
    spanSet: spanSets?.[0],
    spanSets,
    serviceStats:
      trace.serviceStats &&
      Object.fromEntries(
        [...trace.serviceStats]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([service, { spanCount, errorCount }]) => [
            service,
            { spanCount: unlessDefault(spanCount), errorCount: unlessDefault(errorCount) },
          ]),
      ),
  };
}

function spansetToJson(spanset: FoundSpanset): unknown {
  return {
    spans: spanset.spans.map((span) => ({
      spanID: spanIdToHex(span.spanId),
      name: unlessDefault(span.name ?? ""),
      startTimeUnixNano: decimalUnlessZero(span.startUnixNano),
      durationNanos: decimalUnlessZero(span.durationNanos),
      attributes: attributesToJson(span.attributes),
    })),
    matched: unlessDefault(spanset.matchedCount),
    attributes: attributesToJson(spanset.attributes),
  };
}

export function attributesToJson(
  attributes: readonly FoundAttribute[],
): KeyValueJson[] | undefined {
  if (attributes.length === 0) return undefined;
  return attributes.map(({ key, value }) => ({
    ...(key === "" ? {} : { key }),
    value: finiteInJson(value),
  }));
}

/** JSON has no NaN and no infinities: they are text. */
function finiteInJson(value: AnyValueLike): AnyValueJson {
  if ("doubleValue" in value && !Number.isFinite(value.doubleValue))
    return { doubleValue: String(value.doubleValue) };
  if ("arrayValue" in value)
    return { arrayValue: { values: value.arrayValue.values.map(finiteInJson) } };
  return value;
}

/** The same as a message, for protobuf answers and for streams. */
export function searchResponseToMessage(
  { traces, stats }: SearchResult,
  options: SearchResponseOptions,
): SearchResponse {
  return create(SearchResponseSchema, {
    traces: traces.map((trace) => {
      const spanSets = (trace.spansets ?? []).map(spansetToMessage);
      return {
        traceID: shownTraceId(trace.traceId, options),
        rootServiceName: trace.rootServiceName || NO_ROOT,
        rootTraceName: trace.rootSpanName,
        startTimeUnixNano: trace.startUnixNano,
        durationMs: durationMs(trace),
        ...(spanSets[0] === undefined ? {} : { spanSet: spanSets[0] }),
        spanSets,
        serviceStats: Object.fromEntries(trace.serviceStats ?? []),
      };
    }),
    metrics: searchMetrics(traces.length, stats),
  });
}

function searchMetrics(traceCount: number, stats: SearchStats) {
  return {
    inspectedTraces: traceCount,
    inspectedBytes: BigInt(stats.inspectedBytes),
    totalBlocks: stats.segmentCount,
    completedJobs: stats.completedJobs,
    totalJobs: stats.totalJobs,
    totalBlockBytes: BigInt(stats.segmentBytes),
    inspectedSpans: BigInt(stats.inspectedSpanCount),
  };
}

function spansetToMessage(spanset: FoundSpanset): SpanSet {
  return create(SpanSetSchema, {
    spans: spanset.spans.map((span) => ({
      spanID: spanIdToHex(span.spanId),
      name: span.name ?? "",
      startTimeUnixNano: span.startUnixNano,
      durationNanos: span.durationNanos,
      attributes: span.attributes.map(attributeToMessage),
    })),
    matched: spanset.matchedCount,
    attributes: spanset.attributes.map(attributeToMessage),
  });
}

function attributeToMessage({ key, value }: FoundAttribute): KeyValue {
  return create(KeyValueSchema, { key, value: anyValueToMessage(value) });
}

function shownTraceId(hex: string, { leftPadTraceIds }: SearchResponseOptions): string {
  return leftPadTraceIds ? hex : hex.replace(/^0+(?=.)/, "");
}

const MS_NANOS = 1_000_000n;
const MAX_UINT32 = 2n ** 32n - 1n;

function durationMs({ durationNanos }: FoundTrace): number {
  const ms = durationNanos / MS_NANOS;
  return Number(ms < 0n ? 0n : ms > MAX_UINT32 ? MAX_UINT32 : ms);
}
