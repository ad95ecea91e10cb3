import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";

/**
 * Redacted traces that segments still hold. A statement over such segments joins their ids away; the
 * ids, of which there may be thousands, come into its text only when it runs: till then markers stand
 * for them. What those begin with is drawn anew for each process and never shown, so that no value of
 * a user's can be taken for one.
 */
const TOKEN = `pintail-hidden-${crypto.randomUUID()}`;
const MARKER = new RegExp(`'${TOKEN}/([^']+)'`, "g");

/**
 * `source` (a `read_parquet` over these files) without the spans of traces that are hidden in any of
 * a tenant's files; as it is where none are. Has the columns of `source` and those named in
 * `virtual`, which would be lost otherwise.
 *
 * An anti join: `NOT IN` compares each row with each id. Its list comes from a function, which the
 * optimizer takes for small: it never holds the files' rows instead.
 */
export function withoutHiddenSql(
  source: string,
  segments: readonly SegmentSummary[],
  virtual: readonly string[],
): string {
  if (!segments.some(hidesTraces)) return source;
  const columns = ["*", ...virtual].join(", ");
  const byTenant = Map.groupBy(segments, ({ tenant }) => tenant);
  if (byTenant.size === 1) {
    return `(SELECT ${columns} FROM ${source}
      ANTI JOIN (SELECT ${idsSql(segments)} AS trace_id) USING (trace_id))`;
  }
  // Another tenant's trace of the same id is another trace.
  const tenants = [...byTenant.keys()];
  const owners = segments.map(({ tenant }) => tenants.indexOf(tenant)).join(", ");
  const joins = [...byTenant.values()].flatMap((own, owner) =>
    own.some(hidesTraces)
      ? `ANTI JOIN (SELECT ${idsSql(own)} AS id, ${owner} AS owner) AS hidden${owner}
        ON trace_id = hidden${owner}.id
          AND list_extract([${owners}], file_index::BIGINT + 1) = hidden${owner}.owner`
      : [],
  );
  return `(SELECT ${columns} FROM ${source} ${joins.join(" ")})`;
}

function idsSql(segments: readonly SegmentSummary[]): string {
  const ids = segments.filter(hidesTraces).map(({ id }) => id);
  return `unnest(['${TOKEN}/${ids.join("/")}'])::UUID`;
}

/** The text to run: with the ids in place of what stands for them. */
export function withHiddenIds(sql: string, metaOf: (segmentId: string) => SegmentSummary): string {
  if (!sql.includes(TOKEN)) return sql;
  return sql.replace(MARKER, (_, list: string) => {
    const ids = new Set(list.split("/").flatMap((id) => metaOf(id).hiddenTraces ?? []));
    return Array.from(ids, (id) => `'${id}'`).join(", ");
  });
}

/** The same as an expression that gives the ids one by one: a literal for text that is run as it is. */
export function hiddenIdsSql(segments: readonly SegmentSummary[]): string {
  const byId = new Map(segments.map((meta) => [meta.id, meta]));
  return withHiddenIds(idsSql(segments), (id) => byId.get(id)!);
}

export function hidesTraces({ hiddenTraces }: Pick<SegmentSummary, "hiddenTraces">): boolean {
  return hiddenTraces !== undefined && hiddenTraces.length > 0;
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

/** `traceId` has 32 hex digits. */
export function isHidden({ hiddenTraces }: SegmentSummary, traceId: string): boolean {
  if (hiddenTraces === undefined) return false;
  let set = sets.get(hiddenTraces);
  if (set === undefined) {
    set = new Set(hiddenTraces);
    sets.set(hiddenTraces, set);
  }
  return set.has(traceId);
}

/**
 * A segment that was committed a while ago, with what it hides by now. `undefined`: it left the catalog
 * since, and may hold what was redacted meanwhile.
 */
export function asItIsNow(
  catalog: Pick<Catalog, "redactions">,
  known: readonly SegmentSummary[],
  meta: SegmentSummary,
): SegmentSummary | undefined {
  const current = known.find(({ id }) => id === meta.id);
  if (current !== undefined) return current;
  const isTouched = catalog
    .redactions()
    .some(
      ({ tenant, state, doneUnixMs = 0 }) =>
        tenant === meta.tenant && (state === "hiding" || doneUnixMs >= meta.createdUnixMs),
    );
  return isTouched ? undefined : meta;
}
