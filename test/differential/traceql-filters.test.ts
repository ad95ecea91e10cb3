import { afterAll, beforeAll, expect, test } from "vitest";
import type {
  BinaryOp,
  FieldExpr,
  FieldRef,
  IntrinsicName,
  Static,
} from "../../src/traceql/ast.ts";
import { checkQuery } from "../../src/traceql/check/check.ts";
import { parseQuery } from "../../src/traceql/parser.ts";
import { printField } from "../../src/traceql/print.ts";
import { decodeEchoValue, fieldToSql } from "../../src/traceql/sql/field.ts";
import { filterToSql } from "../../src/traceql/sql/filter.ts";
import { mayMatch } from "../../src/traceql/sql/prune.ts";
import { shapeOf } from "../../src/traceql/sql/segment-shape.ts";
import { fieldsOf } from "../../src/traceql/walk.ts";
import {
  A_SPAN,
  arrayOf,
  createStoredTable,
  type Database,
  openTestDatabase,
  type TestAttributes,
  type TestSpan,
  type TestValue,
} from "../traceql/sql/stored-table.ts";
import { evaluateFilter } from "./traceql-evaluate.ts";

const SEED = Number(process.env.TRACEQL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = Number(process.env.TRACEQL_ROUNDS ?? 12);
const FILTERS_PER_ROUND = 250;

/** A small seeded generator (mulberry32), so that a failure can be run again. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(n: number): number {
    return Math.floor(this.float() * n);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  chance(p: number): boolean {
    return this.float() < p;
  }
}

const KEYS = [
  "a",
  "b",
  "A",
  'x"; DROP TABLE spans; --',
  "k'ey",
  "sp ace",
  "nul\0key",
  "日本",
  "service.name",
  "__proto__2",
];
const STRINGS = [
  "",
  "a",
  "b",
  "ab",
  "a\nb",
  "'; DROP TABLE spans; --",
  '"',
  "\\",
  "nul\0",
  "é",
  "😀",
  "\u{ffff}",
  "nil",
  "200",
  "true",
  "5",
];
const INTS = [
  0n,
  1n,
  -1n,
  2n,
  5n,
  200n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  1_000_000n,
];
const FLOATS = [
  0,
  -0,
  1,
  1.5,
  -1.5,
  5,
  200,
  2 ** 53,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  9.3e18,
  0.1,
];
const PATTERNS = [
  "",
  ".*",
  "a",
  "a|b",
  "a.b",
  ".*a.*",
  "a.*",
  ".*b",
  "(?i)A",
  "[ab]+",
  "\\\\",
  "'.*",
  "nul.",
  "😀|é",
  "[^a]",
  "a?b?",
  "\\d+",
  "\\.",
  "x|",
  "(a|b)*",
];
const IDS = [
  "1",
  "0",
  "00ff",
  "FF",
  "ff",
  "",
  "xyz",
  "0000000000000000",
  "000000000000000000000000000000ff",
  "10000000000000000",
  "ffffffffffffffff",
];
const INTRINSICS: readonly IntrinsicName[] = [
  "name",
  "duration",
  "status",
  "statusMessage",
  "kind",
  "rootName",
  "rootServiceName",
  "traceDuration",
  "nestedSetLeft",
  "nestedSetRight",
  "nestedSetParent",
  "span:id",
  "span:parentID",
  "span:childCount",
  "trace:id",
  "event:name",
  "event:timeSinceStart",
  "link:traceID",
  "link:spanID",
  "instrumentation:name",
  "instrumentation:version",
];

function randomValue(r: Random): TestValue {
  switch (r.below(8)) {
    case 0:
    case 1:
      return r.pick(STRINGS);
    case 2:
    case 3:
      return r.pick(INTS);
    case 4:
      return r.pick(FLOATS);
    case 5:
      return r.chance(0.5);
    case 6: {
      const length = r.below(4);
      const sort = r.below(4);
      return arrayOf(
        ...Array.from({ length }, () =>
          sort === 0
            ? r.pick(STRINGS)
            : sort === 1
              ? r.pick(INTS)
              : sort === 2
                ? r.pick(FLOATS)
                : r.chance(0.5),
        ),
      );
    }
    default:
      return r.pick([
        { json: '{"arrayValue":{}}' },
        { json: '{"kvlistValue":{"values":[{"key":"a","value":{"stringValue":"a"}}]}}' },
        { json: '{"bytesValue":"AAA="}' },
        { json: "{}" },
        { json: '{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"1"}]}}' },
        { json: '{"arrayValue":{"values":[{"arrayValue":{"values":[{"stringValue":"a"}]}}]}}' },
        { json: '{"arrayValue":{"values":[{"intValue":"1"},{"doubleValue":1}]}}' },
        { json: '{"arrayValue":{"values":[{}]}}' },
      ]);
  }
}

function randomAttributes(r: Random, keys: readonly string[], density: number): TestAttributes {
  const attributes: Record<string, TestValue> = {};
  for (const key of keys) if (r.chance(density)) attributes[key] = randomValue(r);
  return attributes;
}

function randomSpan(r: Random, i: number, keys: readonly string[]): TestSpan {
  const start = A_SPAN.start + BigInt(r.below(1000)) * 1_000_000n;
  const times = [0n, 5n, 25_000_000n, -7n];
  return {
    label: `s${i}`,
    traceId: r.pick([
      "000000000000000000000000000000ff",
      "ffffffffffffffffffffffffffffffff",
      "00000000000000000000000000000001",
    ]),
    spanId: r.pick([1n, 255n, 2n ** 64n - 1n]),
    parentSpanId: r.pick([undefined, 1n, 255n, 2n ** 64n - 1n]),
    start,
    duration: r.pick([0n, 5n, 200n, 1_000_000n, -5n, 2n ** 63n - 1n, 1_500_000_000n]),
    name: r.pick(STRINGS),
    kind: r.below(7),
    status: r.below(4),
    statusMessage: r.pick(STRINGS),
    traceDuration: r.pick([0n, 5n, 1_000_000n]),
    rootService: r.pick(STRINGS),
    rootName: r.pick(STRINGS),
    nested: [r.below(3), r.below(3), r.below(3) - 1],
    childCount: r.below(3),
    scopeName: r.pick(STRINGS),
    scopeVersion: r.pick(STRINGS),
    attributes: randomAttributes(r, keys, 0.5),
    resource: randomAttributes(r, keys, 0.4),
    scope: randomAttributes(r, keys, 0.2),
    events: Array.from({ length: r.pick([0, 0, 1, 2, 3]) }, () => ({
      time: start + r.pick(times),
      name: r.pick(STRINGS),
      attributes: randomAttributes(r, keys, 0.4),
    })),
    links: Array.from({ length: r.pick([0, 0, 1, 2]) }, () => ({
      traceId: r.pick(["0".repeat(32), "000000000000000000000000000000ff", "f".repeat(32)]),
      spanId: r.pick([0n, 1n, 255n]),
      attributes: randomAttributes(r, keys, 0.4),
    })),
  };
}

function randomField(r: Random, keys: readonly string[]): FieldRef {
  if (r.chance(0.3)) return { type: "intrinsic", name: r.pick(INTRINSICS) };
  const scope = r.pick([
    "any",
    "any",
    "span",
    "span",
    "resource",
    "event",
    "link",
    "instrumentation",
  ] as const);
  return { type: "attribute", scope, key: r.pick(keys) };
}

function randomStatic(r: Random): Static {
  switch (r.below(9)) {
    case 0:
    case 1:
      return { type: "string", value: r.pick(STRINGS) };
    case 2:
      return { type: "string", value: r.pick(IDS) };
    case 3:
    case 4:
      return { type: "int", value: r.pick(INTS) };
    case 5:
      return { type: "float", value: r.pick(FLOATS) };
    case 6:
      return { type: "duration", value: r.pick([0n, 5n, 200n, 1_000_000n, 25_000_000n]) };
    case 7:
      return { type: "bool", value: r.chance(0.5) };
    default:
      return r.chance(0.5)
        ? { type: "status", value: r.pick(["unset", "ok", "error"]) }
        : {
            type: "kind",
            value: r.pick(["unspecified", "internal", "server", "client", "producer", "consumer"]),
          };
  }
}

const COMPARE = ["=", "!=", "<", "<=", ">", ">="] as const;

function randomNumber(r: Random, keys: readonly string[], depth: number): FieldExpr {
  if (depth <= 0 || r.chance(0.4)) return randomOperand(r, keys);
  if (r.chance(0.2)) return { type: "unary", op: "-", operand: randomNumber(r, keys, depth - 1) };
  return {
    type: "binary",
    op: r.pick(["+", "-", "*", "/", "%", "^"] as const),
    left: randomNumber(r, keys, depth - 1),
    right: randomNumber(r, keys, depth - 1),
  };
}

function randomOperand(r: Random, keys: readonly string[]): FieldExpr {
  return r.chance(0.6)
    ? { type: "field", field: randomField(r, keys) }
    : { type: "static", value: randomStatic(r) };
}

function randomFilter(r: Random, keys: readonly string[], depth: number): FieldExpr {
  const pick = r.below(depth > 0 ? 12 : 8);
  const side = (): FieldExpr =>
    r.chance(0.25) ? randomNumber(r, keys, 2) : randomOperand(r, keys);
  switch (pick) {
    case 0:
      return { type: "exists", operand: side(), negated: r.chance(0.5) };
    case 1:
      return {
        type: "binary",
        op: r.pick(["=~", "!~"] as const),
        left: { type: "field", field: randomField(r, keys) },
        right: { type: "static", value: { type: "string", value: r.pick(PATTERNS) } },
      };
    case 2:
      return r.chance(0.5)
        ? { type: "field", field: randomField(r, keys) }
        : { type: "unary", op: "!", operand: { type: "field", field: randomField(r, keys) } };
    case 3: {
      // Chains on one field, as clients write them.
      const field: FieldExpr = { type: "field", field: randomField(r, keys) };
      const op = r.pick(["||", "&&"] as const);
      const test = (): FieldExpr => ({
        type: "binary",
        op: r.pick(["=", "=", "!="] as const),
        left: field,
        right: { type: "static", value: randomStatic(r) },
      });
      return { type: "binary", op, left: test(), right: test() };
    }
    case 4:
    case 5:
    case 6:
    case 7: {
      const op: BinaryOp = r.pick(COMPARE);
      const nested = depth > 0 && r.chance(0.1);
      return {
        type: "binary",
        op,
        left: nested ? randomFilter(r, keys, 0) : side(),
        right: side(),
      };
    }
    case 8:
      return { type: "unary", op: "!", operand: randomFilter(r, keys, depth - 1) };
    case 9:
    case 10:
      return {
        type: "binary",
        op: "&&",
        left: randomFilter(r, keys, depth - 1),
        right: randomFilter(r, keys, depth - 1),
      };
    default:
      return {
        type: "binary",
        op: "||",
        left: randomFilter(r, keys, depth - 1),
        right: randomFilter(r, keys, depth - 1),
      };
  }
}

function accepted(expr: FieldExpr): boolean {
  try {
    checkQuery({ stages: [{ type: "filter", expr }], metrics: undefined, second: [], hints: [] });
    return true;
  } catch {
    return false;
  }
}

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

test(`compiled filters agree with the naive evaluator (TRACEQL_SEED=${SEED})`, async () => {
  const counts = { filters: 0, matches: 0, pruned: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const r = new Random(SEED + round * 7919);
    const keys = KEYS.filter(() => r.chance(0.6));
    if (keys.length === 0) keys.push("a");
    const spans = Array.from({ length: 12 }, (_, i) => randomSpan(r, i, keys));
    const share = r.pick([0, 0.5, 1]);
    const own = new Map<string, boolean>();
    const dedication = (scope: string, key: string) => {
      const id = `${scope}.${key}`;
      if (!own.has(id)) own.set(id, r.chance(share));
      return own.get(id)!;
    };
    const meta = await createStoredTable(db, "spans", spans, dedication, r.chance(0.5));
    for (let n = 0; n < FILTERS_PER_ROUND; n++) {
      const expr = randomFilter(r, [...keys, "missing"], 3);
      if (!accepted(expr)) continue;
      const shape = shapeOf(meta, fieldsOf(expr));
      const condition = filterToSql(expr, shape).text;
      const context = `seed ${SEED} round ${round}: { ${printField(expr)} }\n${condition.slice(0, 3000)}`;
      const expected = spans.filter((span) => evaluateFilter(expr, span)).map((s) => s.label);
      let actual: unknown[];
      try {
        const rows = await db.rows(`SELECT label FROM spans WHERE ${condition} ORDER BY rowid`);
        actual = rows.map(([label]) => label);
      } catch (e) {
        throw new Error(`${context}\n${String(e)}`);
      }
      expect(actual, context).toEqual(expected);
      if (expected.length > 0) {
        counts.matches++;
        expect(mayMatch(expr, meta), `pruned wrongly: ${context}`).toBe(true);
        expect(condition).not.toBe("FALSE");
      } else if (!mayMatch(expr, meta)) {
        counts.pruned++;
      }
      counts.filters++;
      for (const field of fieldsOf(expr)) {
        const echo = fieldToSql(field, shape);
        if (echo === undefined || counts.filters % 10 !== 0) continue;
        const rows = await db.rows(`SELECT ${echo.text} FROM spans`);
        for (const [value] of rows) decodeEchoValue(value, field);
      }
    }
  }
  console.log(`seed ${SEED}`, counts);
  expect(counts.filters).toBeGreaterThan(ROUNDS * 50);
  expect(counts.matches).toBeGreaterThan(counts.filters / 10);
}, 300_000);

test("printing and parsing random filters gives the same tree", () => {
  const r = new Random(SEED);
  let compared = 0;
  for (let n = 0; n < 5000; n++) {
    const expr = randomFilter(r, KEYS, 4);
    const text = `{ ${printField(expr)} }`;
    if (/NaN|Inf/.test(text)) continue;
    const first = parseQuery(text);
    const stage = first.stages[0];
    if (stage?.type !== "filter") throw new Error(text);
    expect(parseQuery(`{ ${printField(stage.expr)} }`), `seed ${SEED}: ${text}`).toEqual(first);
    compared++;
  }
  expect(compared).toBeGreaterThan(3000);
});
