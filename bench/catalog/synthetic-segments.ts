import type { KeyStats, SegmentMeta } from "../../src/schema/segment-meta.ts";
import { buildTraceFilter } from "../../src/storage/segments/trace-filter.ts";
import { ulidSource } from "../../src/util/ulid.ts";
import { mulberry32 } from "../workload.ts";

/** One large tenant and two small ones, by their share of the segments. */
export const TENANTS = [
  { name: "large", share: 0.8 },
  { name: "middle", share: 0.15 },
  { name: "small", share: 0.05 },
] as const;
export const LARGE = TENANTS[0].name;

/** 2025-06-01T00:00:00Z, and thirty days of segments from there. */
export const FIRST_UNIX_NANO = 1_748_736_000_000_000_000n;
export const SPREAD_NANOS = 30n * 86_400_000_000_000n;

const ROW_GROUPS = 20;
const GROUP_ROWS = 5000;
/** Traces in the filter: about 3 KB. */
const TRACES = 1300;
const KEYS = 60;
const FILTERS = 64;
const WORDS = "cart order user payment region host pod node queue cache shard tier zone".split(" ");

/** Descriptions of segments as merges leave them: the same `seed` gives the same, but for ids. */
export class SyntheticSegments {
  readonly #random: () => number;
  readonly #filters: readonly Uint8Array[];
  readonly #count: number;

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#random = mulberry32(seed);
    this.#filters = Array.from({ length: FILTERS }, () => this.#filter());
  }

  /** Segment `index` of all, in the order of time. */
  make(index: number): SegmentMeta {
    const length = SPREAD_NANOS / BigInt(this.#count);
    const minTraceStart = FIRST_UNIX_NANO + length * BigInt(index);
    const maxTraceStart = minTraceStart + 2n * length + BigInt(this.#int(1_000_000_000));
    const createdUnixMs = Number(maxTraceStart / 1_000_000n) + 5000;
    const keys = Array.from({ length: KEYS }, (_, i) => this.#key(i, index));
    return {
      id: ulidSource(() => createdUnixMs)(),
      tenant: tenantOf(this.#random()),
      formatVersion: 1,
      level: 2,
      rowCount: ROW_GROUPS * GROUP_ROWS,
      traceCount: TRACES,
      byteSize: 4_000_000 + this.#int(1_000_000),
      minTraceStart,
      maxTraceStart,
      maxEnd: maxTraceStart + BigInt(this.#int(2_000_000_000)),
      rowGroups: Array.from({ length: ROW_GROUPS }, (_, i) => {
        const step = (maxTraceStart - minTraceStart) / BigInt(ROW_GROUPS);
        const newest = maxTraceStart - step * BigInt(i);
        return { rowCount: GROUP_ROWS, minTraceStart: newest - step, maxTraceStart: newest };
      }),
      optionalColumns: keys.filter(({ dedicated }) => dedicated).map(columnOf),
      keys,
      walRange: undefined,
      replaces: [],
      createdUnixMs,
      traceFilter: this.#filters[this.#int(FILTERS)]!,
      object: { version: `"${this.#hex(32)}"` },
    };
  }

  #key(i: number, segment: number): KeyStats {
    const distinct = [1, 2, 4, 8, 12, 40, 500, 100_000][i % 8]!;
    const scope = i % 5 === 0 ? "resource" : "span";
    const word = WORDS[i % WORDS.length]!;
    const listed = distinct > 64 ? 8 : distinct;
    const values = Array.from({ length: listed }, (_, at) =>
      distinct > 64 ? `${word}-${this.#hex(12)}` : `${word}-${at}-${segment % 7}`,
    );
    return {
      scope,
      key: `app.${word}.${i}`,
      type: "string",
      count: this.#int(ROW_GROUPS * GROUP_ROWS),
      distinct,
      values,
      complete: distinct <= 64,
      dedicated: i < 40,
    };
  }

  #filter(): Uint8Array {
    const ids = Uint8Array.from({ length: 16 * TRACES }, () => this.#int(256));
    return buildTraceFilter(ids, TRACES);
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  #hex(digits: number): string {
    return Array.from({ length: digits }, () => this.#int(16).toString(16)).join("");
  }
}

function columnOf({ scope, key }: KeyStats): string {
  return `${scope}.${key}`;
}

function tenantOf(at: number): string {
  let sum = 0;
  for (const { name, share } of TENANTS) {
    sum += share;
    if (at < sum) return name;
  }
  return LARGE;
}
