import { create } from "@bufbuild/protobuf";
import {
  type KeyValue,
  KeyValueSchema,
} from "../../../gen/opentelemetry/proto/common/v1/common_pb.ts";
import {
  PartialStatus,
  type QueryInstantResponse,
  QueryInstantResponseSchema,
  type QueryRangeResponse,
  QueryRangeResponseSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import type { MetricsLabel, MetricsResult } from "../../query/metrics/metrics-result.ts";
import { anyValueToMessage } from "./any-value-message.ts";

/** A range query's answer; a bucket without a value has no sample. */
export function rangeToMessage(result: MetricsResult): QueryRangeResponse {
  const timestamps = result.timestampsMs.map((timestamp) => BigInt(timestamp));
  return create(QueryRangeResponseSchema, {
    series: result.series.map(({ labels, values, exemplars }) => ({
      labels: labels.map(labelToMessage),
      samples: timestamps.flatMap((timestampMs, i) => {
        const value = values[i] ?? Number.NaN;
        return Number.isNaN(value) ? [] : [{ timestampMs, value }];
      }),
      exemplars: exemplars.map((exemplar) => ({
        labels: exemplar.labels.map(labelToMessage),
        value: exemplar.value,
        timestampMs: BigInt(exemplar.timestampMs),
      })),
    })),
    ...otherFields(result),
  });
}

/** An instant query's answer: of each series the one value. */
export function instantToMessage(result: MetricsResult): QueryInstantResponse {
  return create(QueryInstantResponseSchema, {
    series: result.series.map(({ labels, values }) => ({
      labels: labels.map(labelToMessage),
      value: values[0] ?? 0,
    })),
    ...otherFields(result),
  });
}

function otherFields({ stats, partialMessage }: MetricsResult) {
  return {
    metrics: {
      inspectedBytes: BigInt(stats.inspectedBytes),
      totalBlocks: stats.segmentCount,
      completedJobs: stats.completedJobs,
      totalJobs: stats.totalJobs,
      totalBlockBytes: BigInt(stats.segmentBytes),
      inspectedSpans: BigInt(stats.inspectedSpanCount),
    },
    status: partialMessage === undefined ? PartialStatus.COMPLETE : PartialStatus.PARTIAL,
    message: partialMessage ?? "",
  };
}

function labelToMessage({ key, value }: MetricsLabel): KeyValue {
  return create(KeyValueSchema, { key, value: anyValueToMessage(value) });
}
