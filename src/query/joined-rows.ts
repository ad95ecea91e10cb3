import type { StoredAttributeType } from "../schema/columns.ts";
import type { FieldRef } from "../traceql/ast.ts";
import { homeSql } from "../traceql/sql/field-value.ts";
import type { AttributeHome, SegmentShape } from "../traceql/sql/segment-shape.ts";

type ShapedRows = { readonly from: string; readonly shape: SegmentShape };

/** Where an attribute rests, wherever that is. */
type Place = {
  readonly scope: Parameters<SegmentShape["homes"]>[0];
  readonly key: string;
  readonly type: StoredAttributeType;
  readonly column: string;
};

/**
 * Rows of several shapes as rows of one: values of the fields' attributes get columns of their own,
 * NULL where a shape has none. That is dearer than to ask each shape on its own.
 */
export function joinedRows(parts: readonly ShapedRows[], fields: readonly FieldRef[]): ShapedRows {
  const shapes = parts.map(({ shape }) => shape);
  const places = placesOf(shapes, fields);
  const selects = parts.map(({ from, shape }) => {
    const columns = places.flatMap(({ scope, key, type, column }) => {
      const home = shape.homes(scope, key).find((home) => home.type === type);
      return home === undefined ? [] : [`${homeSql(home, key).text} AS ${column}`];
    });
    return `SELECT ${["*", ...columns].join(", ")} FROM ${from}`;
  });
  return {
    from: `(${selects.join(" UNION ALL BY NAME ")})`,
    shape: {
      key: `joined ${[...new Set(shapes.map(({ key }) => key))].sort().join(" ")}`,
      hasEvents: shapes.some(({ hasEvents }) => hasEvents),
      hasLinks: shapes.some(({ hasLinks }) => hasLinks),
      hasExactTimes: shapes.some(({ hasExactTimes }) => hasExactTimes),
      homes: (scope, key) =>
        places
          .filter((place) => place.scope === scope && place.key === key)
          .map(({ type, column }): AttributeHome => ({ type, column, dedicated: true })),
      listTypes: (scope, key) => [
        ...new Set(shapes.flatMap((shape) => shape.listTypes(scope, key))),
      ],
    },
  };
}

/**
 * Numbered, as names that differ by letter case alone are one to the database; in an order that does
 * not depend on that of the shapes.
 */
function placesOf(shapes: readonly SegmentShape[], fields: readonly FieldRef[]): Place[] {
  const places = new Map<string, Omit<Place, "column">>();
  for (const field of fields) {
    if (field.type === "intrinsic" || field.scope === "event" || field.scope === "link") continue;
    const { key } = field;
    const scopes = field.scope === "any" ? (["span", "resource"] as const) : [field.scope];
    for (const scope of scopes) {
      for (const { type } of shapes.flatMap((shape) => shape.homes(scope, key))) {
        places.set(`${scope} ${type} ${key}`, { scope, key, type });
      }
    }
  }
  const sorted = [...places].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, place], i) => ({ ...place, column: `joined_${i}` }));
}
