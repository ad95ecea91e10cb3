import type { SegmentMeta } from "../../src/schema/segment-meta.ts";

/** A description of a segment that holds nothing in particular. */
export function aSegmentMeta(changes: Partial<SegmentMeta> = {}): SegmentMeta {
  return {
    id: "01HZZZZZZZZZZZZZZZZZZZZZZ0",
    tenant: "acme",
    formatVersion: 1,
    level: 1,
    rowCount: 1000,
    traceCount: 100,
    byteSize: 40_000,
    minTraceStart: 1_700_000_000_000_000_001n,
    maxTraceStart: 1_700_000_060_000_000_002n,
    maxEnd: 1_700_000_061_000_000_003n,
    rowGroups: [
      {
        rowCount: 1000,
        minTraceStart: 1_700_000_000_000_000_001n,
        maxTraceStart: 1_700_000_060_000_000_002n,
      },
    ],
    optionalColumns: ["span.http.method", 'resource.host\'s "name"', "events"],
    keys: [
      {
        scope: "span",
        key: "http.method",
        type: "string",
        count: 900,
        distinct: 2,
        values: ["GET", "日本 'quoted' \u0000"],
        complete: true,
        dedicated: true,
      },
    ],
    walRange: { from: 0, to: 2 ** 41 },
    replaces: [],
    createdUnixMs: 1_700_000_062_000,
    traceFilter: new Uint8Array([0, 1, 2, 253, 254, 255]),
    ...changes,
  };
}
