import { create } from "@bufbuild/protobuf";
import {
  type MetadataMetrics,
  MetadataMetricsSchema,
  type SearchTagsResponse,
  SearchTagsResponseSchema,
  type SearchTagsV2Response,
  SearchTagsV2ResponseSchema,
  type SearchTagValuesResponse,
  SearchTagValuesResponseSchema,
  type SearchTagValuesV2Response,
  SearchTagValuesV2ResponseSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import type { TagStats } from "../../query/tag-stats.ts";
import type { TagValue } from "../../query/tag-value.ts";
import { decimalUnlessZero, unlessDefault } from "./json-text.ts";

export type TagsAnswer = { readonly tagNames: readonly string[]; readonly stats: TagStats };
export type TagsV2Answer = {
  readonly scopes: readonly { readonly name: string; readonly tags: readonly string[] }[];
  readonly stats: TagStats;
};
export type TagValuesAnswer = { readonly tagValues: readonly string[]; readonly stats: TagStats };
export type TagValuesV2Answer = {
  readonly tagValues: readonly TagValue[];
  readonly stats: TagStats;
};

export function tagsToJson({ tagNames, stats }: TagsAnswer): unknown {
  return { tagNames, metrics: metricsToJson(stats) };
}

export function tagsV2ToJson({ scopes, stats }: TagsV2Answer): unknown {
  return { scopes, metrics: metricsToJson(stats) };
}

export function tagValuesToJson({ tagValues, stats }: TagValuesAnswer): unknown {
  return { tagValues, metrics: metricsToJson(stats) };
}

/** The empty string is a value like others, and comes without its key. */
export function tagValuesV2ToJson({ tagValues, stats }: TagValuesV2Answer): unknown {
  return {
    tagValues: tagValues.map(({ type, value }) => ({ type, value: unlessDefault(value) })),
    metrics: metricsToJson(stats),
  };
}

/** For language models: values by type. */
export function tagValuesV2ToLlm({ tagValues, stats }: TagValuesV2Answer): unknown {
  const byType: Partial<Record<TagValue["type"], string[]>> = {};
  for (const { type, value } of tagValues) {
    const values = byType[type] ?? [];
    byType[type] = values;
    values.push(value);
  }
  return {
    tagValues: byType,
    metrics: {
      inspectedBytes: unlessDefault(stats.inspectedBytes),
      totalBlocks: unlessDefault(stats.segmentCount),
      totalBlockBytes: unlessDefault(stats.segmentBytes),
    },
  };
}

function metricsToJson(stats: TagStats): unknown {
  return {
    inspectedBytes: decimalUnlessZero(stats.inspectedBytes),
    totalJobs: unlessDefault(stats.segmentCount),
    completedJobs: unlessDefault(stats.segmentCount),
    totalBlocks: unlessDefault(stats.segmentCount),
    totalBlockBytes: decimalUnlessZero(stats.segmentBytes),
  };
}

export function tagsToMessage({ tagNames, stats }: TagsAnswer): SearchTagsResponse {
  return create(SearchTagsResponseSchema, {
    tagNames: [...tagNames],
    metrics: metricsToMessage(stats),
  });
}

export function tagsV2ToMessage({ scopes, stats }: TagsV2Answer): SearchTagsV2Response {
  return create(SearchTagsV2ResponseSchema, {
    scopes: scopes.map(({ name, tags }) => ({ name, tags: [...tags] })),
    metrics: metricsToMessage(stats),
  });
}

export function tagValuesToMessage(answer: TagValuesAnswer): SearchTagValuesResponse {
  return create(SearchTagValuesResponseSchema, {
    tagValues: [...answer.tagValues],
    metrics: metricsToMessage(answer.stats),
  });
}

export function tagValuesV2ToMessage(answer: TagValuesV2Answer): SearchTagValuesV2Response {
  return create(SearchTagValuesV2ResponseSchema, {
    tagValues: answer.tagValues.map(({ type, value }) => ({ type, value })),
    metrics: metricsToMessage(answer.stats),
  });
}

function metricsToMessage(stats: TagStats): MetadataMetrics {
  return create(MetadataMetricsSchema, {
    inspectedBytes: BigInt(stats.inspectedBytes),
    totalJobs: stats.segmentCount,
    completedJobs: stats.segmentCount,
    totalBlocks: stats.segmentCount,
    totalBlockBytes: BigInt(stats.segmentBytes),
  });
}
