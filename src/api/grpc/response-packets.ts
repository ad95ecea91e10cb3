import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  InstantSeriesSchema,
  type QueryInstantResponse,
  QueryInstantResponseSchema,
  type QueryRangeResponse,
  QueryRangeResponseSchema,
  type SearchResponse,
  SearchResponseSchema,
  type SearchTagsResponse,
  SearchTagsResponseSchema,
  type SearchTagsV2Response,
  SearchTagsV2ResponseSchema,
  type SearchTagValuesResponse,
  SearchTagValuesResponseSchema,
  type SearchTagValuesV2Response,
  SearchTagValuesV2ResponseSchema,
  TagValueSchema,
  type TimeSeries,
  TimeSeriesSchema,
  TraceSearchMetadataSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import { packets } from "../stream/packets.ts";

/*
 * A result as messages of at most so many bytes (0 = one message), each with some of its elements
 * and all of its metrics.
 */

export function* searchPackets(
  message: SearchResponse,
  maxBytes: number,
): Generator<SearchResponse, void, void> {
  const sizeOf = sizeIn(TraceSearchMetadataSchema);
  for (const traces of packets(message.traces, sizeOf, elementBytes(maxBytes)))
    yield create(SearchResponseSchema, { ...metricsOf(message), traces: [...traces] });
}

export function* tagsPackets(
  message: SearchTagsResponse,
  maxBytes: number,
): Generator<SearchTagsResponse, void, void> {
  for (const tagNames of packets(message.tagNames, textSize, elementBytes(maxBytes)))
    yield create(SearchTagsResponseSchema, { ...metricsOf(message), tagNames: [...tagNames] });
}

/** A scope with many tags stands in several packets. */
export function* tagsV2Packets(
  message: SearchTagsV2Response,
  maxBytes: number,
): Generator<SearchTagsV2Response, void, void> {
  const all = message.scopes.flatMap(({ name, tags }) => tags.map((tag) => ({ name, tag })));
  const sizeOf = ({ name, tag }: { name: string; tag: string }) => textSize(name) + textSize(tag);
  for (const some of packets(all, sizeOf, elementBytes(maxBytes))) {
    const byScope = Map.groupBy(some, ({ name }) => name);
    const scopes = Array.from(byScope, ([name, tags]) => ({
      name,
      tags: tags.map(({ tag }) => tag),
    }));
    yield create(SearchTagsV2ResponseSchema, { ...metricsOf(message), scopes });
  }
}

export function* tagValuesPackets(
  message: SearchTagValuesResponse,
  maxBytes: number,
): Generator<SearchTagValuesResponse, void, void> {
  for (const tagValues of packets(message.tagValues, textSize, elementBytes(maxBytes)))
    yield create(SearchTagValuesResponseSchema, {
      ...metricsOf(message),
      tagValues: [...tagValues],
    });
}

export function* tagValuesV2Packets(
  message: SearchTagValuesV2Response,
  maxBytes: number,
): Generator<SearchTagValuesV2Response, void, void> {
  const sizeOf = sizeIn(TagValueSchema);
  for (const tagValues of packets(message.tagValues, sizeOf, elementBytes(maxBytes)))
    yield create(SearchTagValuesV2ResponseSchema, {
      ...metricsOf(message),
      tagValues: [...tagValues],
    });
}

/** A series with very many samples stands in several packets; only the last has the status. */
export function* rangePackets(
  message: QueryRangeResponse,
  maxBytes: number,
): Generator<QueryRangeResponse, void, void> {
  const room = elementBytes(maxBytes, message.message);
  const series =
    room > 0 ? message.series.flatMap((one) => splitSeries(one, room)) : message.series;
  const all = [...packets(series, sizeIn(TimeSeriesSchema), room)];
  for (const [i, some] of all.entries())
    yield create(QueryRangeResponseSchema, {
      ...(i === all.length - 1 ? statusOf(message) : {}),
      ...metricsOf(message),
      series: [...some],
    });
}

export function* instantPackets(
  message: QueryInstantResponse,
  maxBytes: number,
): Generator<QueryInstantResponse, void, void> {
  const room = elementBytes(maxBytes, message.message);
  const all = [...packets(message.series, sizeIn(InstantSeriesSchema), room)];
  for (const [i, some] of all.entries())
    yield create(QueryInstantResponseSchema, {
      ...(i === all.length - 1 ? statusOf(message) : {}),
      ...metricsOf(message),
      series: [...some],
    });
}

function statusOf({ status, message }: QueryRangeResponse | QueryInstantResponse) {
  return { status, message };
}

/** A sample takes at most this. */
const SAMPLE_BYTES = 22;

/** Pieces with the same labels, none of which takes much more than a packet has room for. */
function splitSeries(series: TimeSeries, room: number): readonly TimeSeries[] {
  const count = Math.max(1, Math.floor(room / 2 / SAMPLE_BYTES));
  if (series.samples.length <= count) return [series];
  const pieces: TimeSeries[] = [];
  for (let at = 0; at < series.samples.length; at += count) {
    pieces.push(
      create(TimeSeriesSchema, {
        labels: series.labels,
        samples: series.samples.slice(at, at + count),
        exemplars: at === 0 ? series.exemplars : [],
      }),
    );
  }
  return pieces;
}

function metricsOf<Metrics>({ metrics }: { metrics?: Metrics | undefined }) {
  return metrics === undefined ? {} : { metrics };
}

/** The figures beside the elements take less. */
const OTHER_BYTES = 128;
/** Tag and length in front of an element. */
const PREFIX_BYTES = 6;

function elementBytes(maxBytes: number, text = ""): number {
  return maxBytes <= 0 ? 0 : Math.max(1, maxBytes - OTHER_BYTES - textSize(text));
}

function sizeIn<Desc extends DescMessage>(schema: Desc): (element: MessageShape<Desc>) => number {
  return (element) => toBinary(schema, element).length + PREFIX_BYTES;
}

const encoder = new TextEncoder();

function textSize(text: string): number {
  return encoder.encode(text).length + PREFIX_BYTES;
}
