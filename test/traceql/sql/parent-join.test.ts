import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseTagName } from "../../../src/traceql/parser.ts";
import { decodeEchoValue, fieldToSql } from "../../../src/traceql/sql/field.ts";
import { withParents } from "../../../src/traceql/sql/parent-join.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";
import { type StoredTable, spansetsOf } from "./run-pipeline.ts";
import { A_SPAN, createStoredTable, openTestDatabase, type TestSpan } from "./stored-table.ts";

const SERVER = 2;
const CLIENT = 3;
const INTERNAL = 1;

function span(
  label: string,
  spanId: bigint,
  parentSpanId: bigint | undefined,
  kind: number,
  nested: TestSpan["nested"] = [0, 0, 0],
): TestSpan {
  const resource = { "service.name": `s-${label}`, zone: "z" };
  return {
    ...A_SPAN,
    label,
    spanId,
    parentSpanId,
    kind,
    nested,
    attributes: { k: label },
    resource,
  };
}

const TREE = { traceId: "a".repeat(32) };
const SPANS: readonly TestSpan[] = [
  // A tree in which a client and a server span share an id.
  { ...span("root", 1n, undefined, SERVER, [1, 10, -1]), ...TREE },
  { ...span("twinClient", 5n, 1n, CLIENT, [2, 5, 1]), ...TREE },
  { ...span("ofClient", 6n, 5n, SERVER, [3, 4, 2]), ...TREE },
  { ...span("twinServer", 5n, 1n, SERVER, [6, 9, 1]), ...TREE },
  { ...span("ofServer", 7n, 5n, INTERNAL, [7, 8, 6]), ...TREE },
  // Another trace with the same ids, without a root.
  span("orphan", 1n, 99n, SERVER),
  span("below", 2n, 1n, INTERNAL),
  span("pairClient", 5n, 1n, CLIENT),
  span("pairServer", 5n, 1n, SERVER),
  span("ofPairClient", 6n, 5n, SERVER),
  span("ofPairServer", 7n, 5n, INTERNAL),
  span("triple", 8n, 1n, SERVER),
  span("triple", 8n, 1n, CLIENT),
  span("triple", 8n, 1n, INTERNAL),
  span("ofTriple", 9n, 8n, INTERNAL),
  span("itself", 10n, 10n, INTERNAL),
  span("twice", 11n, 1n, SERVER),
  span("twice", 11n, 1n, SERVER),
  span("ofTwice", 12n, 11n, INTERNAL),
  span("clients", 13n, 1n, CLIENT),
  span("clients", 13n, 1n, INTERNAL),
  span("ofClients", 14n, 13n, INTERNAL),
  span("zero", 15n, undefined, SERVER),
  span("highest", 2n ** 64n - 1n, 1n, SERVER),
  span("ofHighest", 16n, 2n ** 64n - 1n, SERVER),
];

async function echoOf({ db, table, meta }: StoredTable, text: string, label: string) {
  const field = parseTagName(text);
  const shape = shapeOf(meta, [field]);
  const from = withParents(`(SELECT * FROM ${table})`, [field], shape);
  const echo = fieldToSql(field, shape)!.text;
  const [row] = await db.rows(`SELECT ${echo} FROM ${from} WHERE label = '${label}'`);
  return decodeEchoValue(row![0], field);
}

test("a relation stays as it is when no parent is asked for, or none has the key", () => {
  const field = parseTagName("span.k");
  expect(withParents("spans", [field], shapeOf(aSegmentMeta(), [field]))).toBe("spans");
  const parent = parseTagName("parent.k");
  expect(withParents("spans", [parent], shapeOf(aSegmentMeta(), [parent]))).toBe("spans");
});

describe.each([
  ["dedicated columns", () => true],
  ["overflow maps", () => false],
])("fields of the parent span, in %s", (_name, dedication) => {
  let stored: StoredTable;
  beforeAll(async () => {
    const db = await openTestDatabase();
    const meta = await createStoredTable(db, "spans", SPANS, dedication);
    stored = { db, table: "spans", meta };
  });
  afterAll(() => stored.db.close());

  test.each([
    ["root", "nil"],
    ["twinClient", "root"],
    ["twinServer", "root"],
    ["ofClient", "twinClient"],
    ["ofServer", "twinServer"],
    ["orphan", "nil"],
    ["below", "orphan"],
    ["pairClient", "orphan"],
    ["ofPairClient", "pairClient"],
    ["ofPairServer", "pairServer"],
    ["ofTriple", "nil"],
    ["itself", "nil"],
    ["ofTwice", "twice"],
    ["ofClients", "nil"],
    ["zero", "nil"],
    ["ofHighest", "highest"],
  ])("the parent of %s is %s", async (label, parent) => {
    const filter = `{ span.k = "${label}" }`;
    expect(await spansetsOf(stored, `${filter} | by(parent.k)`)).toEqual([
      `${label} [by(parent.k)=${parent}]`,
    ]);
    const service = parent === "nil" ? "nil" : `s-${parent}`;
    expect(await spansetsOf(stored, `${filter} | by(parent.resource.service.name)`)).toEqual([
      `${label} [by(parent.resource.service.name)=${service}]`,
    ]);
    const echo = await echoOf(stored, "parent.k", label);
    expect(echo).toEqual(parent === "nil" ? undefined : { stringValue: parent });
    const absent = parent === "nil" ? [label] : [];
    expect(await spansetsOf(stored, `{ span.k = "${label}" && parent.zone = nil }`)).toEqual(
      absent,
    );
  });
});
