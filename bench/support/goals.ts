/** What a figure should not exceed, in its own unit, and what Tempo 3.0.3 was measured with. */
export type Goal = {
  readonly atMost?: number;
  /** With its unit; on 5 M spans. */
  readonly tempo?: string;
};

const SEARCH: Goal = { atMost: 60, tempo: "36 ms" };
const PIPELINE: Goal = { atMost: 200 };
/** Of a stream. */
const FIRST: Goal = { atMost: 50 };

/** By figure id. Goals are shown beside the figures; no run fails because of one. */
export const GOALS: Readonly<Record<string, Goal>> = {
  "decode.ratio": { atMost: 0.25 },
  "segment.l0": { atMost: 5 },
  "segment.l0.zipkin-json": { atMost: 15 },
  "segment.l0.zipkin-protobuf": { atMost: 8 },
  "segment.l0.jaeger-grpc": { atMost: 8 },
  "segment.l0.jaeger-thrift": { atMost: 8 },
  "segment.l1.bytes": { atMost: 45, tempo: "127 B/span" },
  "server.http.l0": { atMost: 8 },
  "server.grpc.l0": { atMost: 8 },
  "server.http.life": { atMost: 10, tempo: "53 us/span" },
  "server.grpc.life": { atMost: 10, tempo: "53 us/span" },
  "server.http.bytes": { atMost: 45, tempo: "127 B/span" },
  "server.grpc.bytes": { atMost: 45, tempo: "127 B/span" },
  "server.http.rss.peak": { atMost: 700, tempo: "6.0 GB" },
  "server.grpc.rss.peak": { atMost: 700, tempo: "6.0 GB" },
  "server.http.rss.idle": { atMost: 150 },
  "server.grpc.rss.idle": { atMost: 150 },
  "server.http.rss.settled": { atMost: 150 },
  "server.grpc.rss.settled": { atMost: 150 },
  "catalog.open": { atMost: 3000 },
  "catalog.rss": { atMost: 300 },
  "catalog.rss.used": { atMost: 300 },
  "catalog.prune.newest-hour": { atMost: 10 },
  "catalog.prune.middle-hour": { atMost: 10 },
  "catalog.prune.all": { atMost: 10 },
  "query.service": SEARCH,
  "query.error": SEARCH,
  "query.duration": SEARCH,
  "query.duration-rare": SEARCH,
  "query.http-status": SEARCH,
  "query.all": SEARCH,
  "query.range-10m": SEARCH,
  "query.needle": { atMost: 100, tempo: "2061 ms" },
  "query.needle-unscoped": { atMost: 100, tempo: "2061 ms" },
  "query.needle-absent": { atMost: 100 },
  "query.needle-60": { atMost: 100 },
  "query.and-all": { atMost: 250, tempo: "865 ms" },
  "query.and": { atMost: 250 },
  "query.child": { atMost: 300, tempo: "3528 ms" },
  "query.descendant": { atMost: 400 },
  "query.not-descendant": { atMost: 400 },
  "query.count": PIPELINE,
  "query.avg": { ...PIPELINE, tempo: "1898 ms" },
  "query.by": PIPELINE,
  "query.event": { atMost: 150 },
  "query.error.first": FIRST,
  "query.descendant.first": FIRST,
  "query.avg.first": FIRST,
  "query.needle.first": FIRST,
  "query.metrics-rate": { atMost: 150, tempo: "2189 ms" },
  "query.metrics-rate-by": { atMost: 200, tempo: "4549 ms" },
  "query.metrics-avg": { atMost: 250 },
  "query.metrics-quantile": { atMost: 300, tempo: "2006 ms" },
  "query.metrics-histogram": { atMost: 250, tempo: "5122 ms" },
  "query.metrics-histogram-by": { atMost: 350 },
  "query.metrics-compare": { atMost: 2000, tempo: "failed after 30 s" },
  "query.trace.first": { atMost: 20, tempo: "298 ms" },
  "query.trace.distinct": { atMost: 20, tempo: "298 ms" },
  "query.trace.same": { atMost: 20, tempo: "298 ms" },
  "query.trace.unknown": { atMost: 20 },
  "query.tags": { atMost: 20, tempo: "135 ms" },
  "query.tag-values-service": { atMost: 20 },
  "query.rss.searches": { atMost: 1200 },
  "query.rss.peak": { atMost: 1200 },
};
