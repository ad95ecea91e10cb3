import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import { ECHO_TYPE } from "../../../src/traceql/sql/field.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import { decodeValue, valueToSql } from "../../../src/traceql/sql/value-to-sql.ts";
import { fieldsOf } from "../../../src/traceql/walk.ts";
import {
  A_SPAN,
  arrayOf,
  createStoredTable,
  type Database,
  openTestDatabase,
  type TestSpan,
} from "./stored-table.ts";

const SPANS: readonly TestSpan[] = [
  {
    ...A_SPAN,
    label: "A",
    kind: 3,
    status: 2,
    duration: 1_500_000_000n,
    attributes: {
      n: 7n,
      f: 0.5,
      s: "x",
      b: false,
      max: 2n ** 63n - 1n,
      tags: arrayOf("a", "b"),
      one: arrayOf("x"),
      none: arrayOf(),
      mixed: arrayOf("a", 1n),
      pairs: { json: '{"kvlistValue":{"values":[]}}' },
      hidden: arrayOf(1n, 2n),
    },
    resource: { "service.name": "shop", hidden: "r", only: arrayOf(true, false) },
    events: [
      { time: A_SPAN.start + 5n, name: "first", attributes: {} },
      {
        time: A_SPAN.start + 9n,
        name: "second",
        attributes: { level: 3n, tags: arrayOf("e", "f") },
      },
      { time: A_SPAN.start, name: "third", attributes: { level: "high" } },
    ],
  },
  {
    ...A_SPAN,
    label: "B",
    resource: { hidden: 4n },
    attributes: { n: "text", f: 2n, s: arrayOf(1n) },
  },
];

const text = (stringValue: string) => ({ stringValue });
const int = (value: number | string) => ({ intValue: String(value) });
const NIL = text("nil");
const list = (...values: object[]) => ({ arrayValue: { values } });

describe.each([
  ["dedicated columns", () => true],
  ["overflow maps", () => false],
])("values of expressions, attributes in %s", (_name, dedication) => {
  let db: Database;
  let meta: SegmentMeta;
  beforeAll(async () => {
    db = await openTestDatabase();
    meta = await createStoredTable(db, "spans", SPANS, dedication);
  });
  afterAll(() => db.close());

  test.each([
    ["span.n", int(7), text("text")],
    ["span.f", { doubleValue: 0.5 }, int(2)],
    ["span.s", text("x"), int(1)],
    ["span.b", { boolValue: false }, NIL],
    ["span.missing", NIL, NIL],
    ["span.tags", list(text("a"), text("b")), NIL],
    ["span.one", text("x"), NIL],
    ["span.none", list(), NIL],
    ["span.mixed", NIL, NIL],
    ["span.pairs", NIL, NIL],
    [".hidden", list(int(1), int(2)), int(4)],
    ["resource.only", list({ boolValue: true }, { boolValue: false }), NIL],
    ["resource.service.name", text("shop"), text("")],
    ["duration", text("1.5s"), text("0s")],
    ["-duration", text("-1.5s"), text("0s")],
    ["duration * 2", { doubleValue: 3e9 }, { doubleValue: 0 }],
    ["kind", text("client"), text("unspecified")],
    ["status", text("error"), text("unset")],
    ["nestedSetLeft", int(0), int(0)],
    ["span:id", text("0000000000000001"), text("0000000000000001")],
    ["span.n + 1", int(8), NIL],
    ["span.n / 0", NIL, NIL],
    ["span.n + span.f", { doubleValue: 7.5 }, NIL],
    ["span.f + 1", { doubleValue: 1.5 }, int(3)],
    ["span.max + 1", int("-9223372036854775808"), NIL],
    ["-span.s", NIL, int(-1)],
    ["span.n > 5", { boolValue: true }, { boolValue: false }],
    ["span.n = nil", { boolValue: false }, { boolValue: false }],
    ["span.b || span.n = 7", { boolValue: true }, { boolValue: false }],
    ["event:name", text("first"), NIL],
    ["event:timeSinceStart", text("5ns"), NIL],
    ["event.level", int(3), NIL],
    ["event.level + 1", int(4), NIL],
    ["event.tags", list(text("e"), text("f")), NIL],
    ["event.level = `high`", { boolValue: true }, { boolValue: false }],
    ["link:spanID", NIL, NIL],
    ["instrumentation:name", text(""), text("")],
  ])("%s", async (written, onA, onB) => {
    const stage = parseQuery(`by(${written})`).stages[0]!;
    if (stage.type !== "group") throw new Error("not a group");
    const value = valueToSql(stage.by, shapeOf(meta, fieldsOf(stage.by))).text;
    const rows = await db.rows(`SELECT ${value}, typeof(${value}) FROM spans ORDER BY label`);
    expect(rows.map(([found]) => decodeValue(stage.by, found))).toEqual([onA, onB]);
    expect(rows.map(([, type]) => String(type).replaceAll('"', ""))).toEqual([
      ECHO_TYPE,
      ECHO_TYPE,
    ]);
    // Nil is NULL itself, so that it is one group.
    for (const [i, expected] of [onA, onB].entries()) {
      if (expected === NIL) expect(rows[i]![0]).toBeNull();
    }
  });
});
