import type { FieldExpr, FieldRef } from "../../../src/traceql/ast.ts";
import { anyChoice, numericExpr, pattern } from "./fields.ts";
import type { Random } from "./random.ts";

const COMPARE = ["=", "=", "=", "!=", "<", "<=", ">", ">="] as const;

/** What stands in `{ }`; most of them hold on some spans. */
export function randomFilter(r: Random, depth = 2): FieldExpr {
  return r.weighted<FieldExpr>([
    [0.7, () => ({ type: "static", value: { type: "bool", value: true } })],
    [0.1, () => ({ type: "static", value: { type: "bool", value: false } })],
    [10, () => comparison(r)],
    [0.5, () => rootTest(r)],
    [1.5, () => existence(r)],
    [1.5, () => regex(r)],
    [0.7, () => ({ type: "field", field: anyChoice(r).field })],
    [
      0.4,
      () => ({ type: "unary", op: "!", operand: { type: "field", field: anyChoice(r).field } }),
    ],
    [1.5, () => numeric(r)],
    [depth > 0 ? 1.2 : 0, () => ({ type: "unary", op: "!", operand: randomFilter(r, depth - 1) })],
    [
      depth > 0 ? 5 : 0,
      () => ({
        type: "binary",
        op: r.pick(["&&", "||"] as const),
        left: randomFilter(r, depth - 1),
        right: randomFilter(r, depth - 1),
      }),
    ],
    [depth > 0 ? 1 : 0, () => chain(r)],
  ]);
}

function comparison(r: Random): FieldExpr {
  const { field, value } = anyChoice(r);
  const left: FieldExpr = { type: "field", field };
  const right: FieldExpr = r.weighted<FieldExpr>([
    [12, () => ({ type: "static", value: value() })],
    [1, () => ({ type: "static", value: anyChoice(r).value() })],
    [1, () => ({ type: "field", field: anyChoice(r).field })],
    [0.2, () => randomFilter(r, 0)],
  ]);
  const op = r.pick(COMPARE);
  return r.chance(0.15)
    ? { type: "binary", op, left: right, right: left }
    : { type: "binary", op, left, right };
}

/** Metrics answer it in a way of its own. */
function rootTest(r: Random): FieldExpr {
  return {
    type: "binary",
    op: r.pick(["<", "<", ">="] as const),
    left: { type: "field", field: { type: "intrinsic", name: "nestedSetParent" } },
    right: { type: "static", value: { type: "int", value: 0n } },
  };
}

function existence(r: Random): FieldExpr {
  const operand: FieldExpr = r.chance(0.15)
    ? numericExpr(r)
    : { type: "field", field: anyChoice(r).field };
  return { type: "exists", operand, negated: r.chance(0.5) };
}

function regex(r: Random): FieldExpr {
  return {
    type: "binary",
    op: r.pick(["=~", "=~", "!~"] as const),
    left: { type: "field", field: textField(r) },
    right: { type: "static", value: pattern(r) },
  };
}

/** Mostly one that takes regular expressions. */
function textField(r: Random): FieldRef {
  for (let tries = 0; ; tries++) {
    const { field, value } = anyChoice(r);
    if (tries > 3 || field.type !== "intrinsic" || value().type === "string") return field;
  }
}

function numeric(r: Random): FieldExpr {
  const operand = (depth: number): FieldExpr =>
    r.weighted<FieldExpr>([
      [3, () => numericExpr(r)],
      [1, () => ({ type: "field", field: anyChoice(r).field })],
      [2, () => ({ type: "static", value: { type: "int", value: BigInt(r.below(4) - 1) } })],
      [1, () => ({ type: "static", value: { type: "float", value: r.pick([0.5, 2, 1.5]) } })],
      [
        depth > 0 ? 2 : 0,
        () => ({
          type: "binary",
          op: r.pick(["+", "-", "*", "/", "%", "^"] as const),
          left: operand(depth - 1),
          right: operand(depth - 1),
        }),
      ],
    ]);
  return { type: "binary", op: r.pick(COMPARE), left: operand(2), right: operand(1) };
}

/** `x = 1 || x = 2`, as clients write it. */
function chain(r: Random): FieldExpr {
  const { field, value } = anyChoice(r);
  const text = field.type !== "intrinsic" || value().type === "string";
  const op = r.pick(text ? (["=", "!=", "=~", "!~"] as const) : (["=", "!="] as const));
  const test = (): FieldExpr => ({
    type: "binary",
    op,
    left: { type: "field", field },
    right: { type: "static", value: op === "=~" || op === "!~" ? pattern(r) : value() },
  });
  const join = r.pick(["&&", "||"] as const);
  return Array.from({ length: 1 + r.below(3) }, test).reduce<FieldExpr>(
    (left, right) => ({ type: "binary", op: join, left, right }),
    test(),
  );
}
