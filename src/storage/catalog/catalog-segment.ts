import type {
  KeyStats,
  RowGroupMeta,
  SegmentSummary,
  StoredObject,
  WalRange,
} from "../../schema/segment-meta.ts";
import { unpackRowGroups } from "./packed-row-groups.ts";
import type { SegmentDetails } from "./segment-details.ts";

/** What a row of the table has. */
export type SegmentScalars = Omit<
  SegmentSummary,
  "rowGroups" | "replaces" | "hiddenTraces" | "sameKeys" | "sameKeyServices" | "place"
> & {
  readonly packedRowGroups: Uint8Array;
  /** A JSON array. */
  readonly replacesJson: string;
};

/**
 * A segment as the catalog holds it: there may be a hundred thousand, so that lists are unpacked when
 * they are read. `keys` and `traceFilter` are there while a `load…` of the catalog holds them.
 */
export class CatalogSegment implements SegmentSummary {
  readonly id: string;
  readonly tenant: string;
  readonly formatVersion: number;
  readonly level: number;
  readonly rowCount: number;
  readonly traceCount: number;
  readonly byteSize: number;
  readonly minTraceStart: bigint;
  readonly maxTraceStart: bigint;
  readonly maxEnd: bigint;
  readonly optionalColumns: readonly string[];
  readonly walRange: WalRange | undefined;
  readonly createdUnixMs: number;
  readonly retentionClass: string | undefined;
  readonly object: StoredObject | undefined;
  readonly hiddenTraces: readonly string[] | undefined;
  readonly #packedRowGroups: Uint8Array;
  readonly #replacesJson: string;
  readonly #details: SegmentDetails;
  #place: number | undefined;

  constructor(scalars: SegmentScalars, details: SegmentDetails, hiddenTraces?: readonly string[]) {
    this.id = scalars.id;
    this.tenant = scalars.tenant;
    this.formatVersion = scalars.formatVersion;
    this.level = scalars.level;
    this.rowCount = scalars.rowCount;
    this.traceCount = scalars.traceCount;
    this.byteSize = scalars.byteSize;
    this.minTraceStart = scalars.minTraceStart;
    this.maxTraceStart = scalars.maxTraceStart;
    this.maxEnd = scalars.maxEnd;
    this.optionalColumns = scalars.optionalColumns;
    this.walRange = scalars.walRange;
    this.createdUnixMs = scalars.createdUnixMs;
    this.retentionClass = scalars.retentionClass;
    this.object = scalars.object;
    this.hiddenTraces = hiddenTraces;
    this.#packedRowGroups = scalars.packedRowGroups;
    this.#replacesJson = scalars.replacesJson;
    this.#details = details;
  }

  static detailsOf(segment: CatalogSegment): SegmentDetails {
    return segment.#details;
  }

  /** The same segment with other values in these fields. */
  with(fields: Partial<Pick<SegmentSummary, "object" | "hiddenTraces">>): CatalogSegment {
    const { hiddenTraces, object } = { ...this, ...fields };
    const scalars: SegmentScalars = {
      ...this,
      object,
      packedRowGroups: this.#packedRowGroups,
      replacesJson: this.#replacesJson,
    };
    return new CatalogSegment(scalars, this.#details, hiddenTraces);
  }

  get place(): number | undefined {
    return this.#place;
  }

  /** Once, when it comes into the catalog. */
  putAt(place: number): void {
    this.#place = place;
  }

  get rowGroups(): readonly RowGroupMeta[] {
    return unpackRowGroups(this.#packedRowGroups);
  }

  get replaces(): readonly string[] {
    return this.#replacesJson === NO_REPLACES ? NONE : (JSON.parse(this.#replacesJson) as string[]);
  }

  get keys(): readonly KeyStats[] {
    return this.#details.keys;
  }

  get sameKeys(): object | undefined {
    return this.#details.sameKeys;
  }

  get sameKeyServices(): object | undefined {
    return this.#details.sameKeyServices;
  }

  get traceFilter(): Uint8Array {
    return this.#details.traceFilter;
  }
}

const NO_REPLACES = "[]";
const NONE: readonly string[] = [];
