import type { AttributeScopeName, StoredAttributeType } from "../../schema/columns.ts";
import {
  dedicatedColumn,
  EVENTS_COLUMN,
  EXACT_TIME_COLUMNS,
  LINKS_COLUMN,
  overflowColumn,
} from "../../schema/columns.ts";
import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { FieldRef } from "../ast.ts";

/** Where values of one attribute with one type rest in a segment. */
export type AttributeHome = {
  readonly type: StoredAttributeType;
  /** The attribute's own column, or the overflow map that has its key. */
  readonly column: string;
  readonly dedicated: boolean;
};

/** What a segment's rows look like to a query. */
export type SegmentShape = {
  /** Equal for segments that one SELECT can read. */
  readonly key: string;
  readonly hasEvents: boolean;
  readonly hasLinks: boolean;
  /** Whether the columns of exact start and end are there. */
  readonly hasExactTimes: boolean;
  /** Homes of a span, resource or instrumentation attribute; none when the segment lacks it. */
  homes(scope: AttributeScopeName, key: string): readonly AttributeHome[];
  /** Types that an attribute of events or links has. */
  listTypes(scope: "event" | "link", key: string): readonly StoredAttributeType[];
};

const TYPE_ORDER: readonly StoredAttributeType[] = ["string", "int", "double", "bool", "json"];

/** The shape of `meta`'s segment as far as `fields` are concerned. Cost: one pass over its keys. */
export function shapeOf(
  meta: Pick<SegmentMeta, "keys" | "optionalColumns">,
  fields: readonly FieldRef[],
): SegmentShape {
  const hasColumn = (name: string): boolean => meta.optionalColumns.includes(name);
  const { keys: wanted, uses } = needsOf(fields);
  const homes = new Map<string, AttributeHome[]>();
  const listTypes = new Map<string, StoredAttributeType[]>();
  for (const stats of meta.keys) {
    if (stats.scope === "intrinsic") continue;
    const id = keyId(stats.scope, stats.key);
    if (!wanted.has(id)) continue;
    if (stats.scope === "event" || stats.scope === "link") {
      append(listTypes, id, stats.type);
      continue;
    }
    const dedicated = stats.dedicated && stats.scope !== "instrumentation";
    const column =
      stats.dedicated && stats.scope !== "instrumentation"
        ? dedicatedColumn(stats.scope, stats.key)
        : overflowColumn(stats.scope, stats.type);
    if (hasColumn(column)) append(homes, id, { type: stats.type, column, dedicated });
  }
  for (const list of homes.values()) list.sort((a, b) => order(a.type) - order(b.type));
  for (const list of listTypes.values()) list.sort((a, b) => order(a) - order(b));
  const hasEvents = uses.events && hasColumn(EVENTS_COLUMN);
  const hasLinks = uses.links && hasColumn(LINKS_COLUMN);
  const hasExactTimes = uses.start && hasColumn(EXACT_TIME_COLUMNS[0]);
  const key = JSON.stringify([
    [hasEvents, hasLinks, hasExactTimes],
    [...homes].sort(byFirst).map(([id, list]) => [id, list.map((h) => [h.type, h.dedicated])]),
    [...listTypes].sort(byFirst),
  ]);
  return {
    key,
    hasEvents,
    hasLinks,
    hasExactTimes,
    homes: (scope, name) => homes.get(keyId(scope, name)) ?? [],
    listTypes: (scope, name) => listTypes.get(keyId(scope, name)) ?? [],
  };
}

type ShapeNeeds = {
  readonly keys: ReadonlySet<string>;
  readonly uses: ReturnType<typeof usedIntrinsics>;
};
/** A query asks for the same fields of thousands of segments. */
const needsOfFields = new WeakMap<readonly FieldRef[], ShapeNeeds>();

function needsOf(fields: readonly FieldRef[]): ShapeNeeds {
  let needs = needsOfFields.get(fields);
  if (needs === undefined) {
    needs = { keys: wantedKeys(fields), uses: usedIntrinsics(fields) };
    needsOfFields.set(fields, needs);
  }
  return needs;
}

function keyId(scope: string, key: string): string {
  return `${scope}.${key}`;
}

function wantedKeys(fields: readonly FieldRef[]): ReadonlySet<string> {
  const wanted = new Set<string>();
  for (const field of fields) {
    if (field.type === "intrinsic") continue;
    const scopes = field.scope === "any" ? ["span", "resource"] : [field.scope];
    for (const scope of scopes) wanted.add(keyId(scope, field.key));
  }
  return wanted;
}

function usedIntrinsics(fields: readonly FieldRef[]) {
  const uses = { events: false, links: false, start: false };
  for (const field of fields) {
    const scope = field.type === "attribute" ? field.scope : "";
    const name = field.type === "intrinsic" ? field.name : "";
    if (scope === "event" || name.startsWith("event:")) uses.events = true;
    if (scope === "link" || name.startsWith("link:")) uses.links = true;
    if (name === "event:timeSinceStart") uses.start = true;
  }
  return uses;
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function order(type: StoredAttributeType): number {
  return TYPE_ORDER.indexOf(type);
}

function byFirst(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}
