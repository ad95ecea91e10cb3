import type { FieldExpr, Static } from "./ast.ts";
import { applyBinary } from "./static-ops.ts";
import { foldField } from "./walk.ts";

/**
 * Replaces what does not depend on a span by its value: `10 * 1024`, `3 = 4`, `-5s`. What would be
 * an error at run time (`1 / 0`) and regular expressions are left alone. Expects a checked tree.
 */
export function foldConstants(expr: FieldExpr): FieldExpr {
  return foldField<FieldExpr>(expr, (node, results) => {
    switch (node.type) {
      case "static":
      case "field":
        return node;
      case "unary": {
        const operand = results[0]!;
        const value = operand.type === "static" ? negate(node.op, operand.value) : undefined;
        if (value !== undefined) return { type: "static", value };
        return operand === node.operand ? node : { ...node, operand };
      }
      case "exists": {
        const operand = results[0]!;
        if (operand.type === "static") {
          return { type: "static", value: { type: "bool", value: !node.negated } };
        }
        return operand === node.operand ? node : { ...node, operand };
      }
      case "binary": {
        const left = results[0]!;
        const right = results[1]!;
        if (left.type === "static" && right.type === "static") {
          const value = applyBinary(node.op, left.value, right.value);
          if (value !== undefined) return { type: "static", value };
        }
        return left === node.left && right === node.right ? node : { ...node, left, right };
      }
      default:
        return node satisfies never;
    }
  });
}

function negate(op: "-" | "!", value: Static): Static | undefined {
  if (op === "!") return value.type === "bool" ? { type: "bool", value: !value.value } : undefined;
  switch (value.type) {
    case "int":
    case "duration":
      return { type: value.type, value: BigInt.asIntN(64, -value.value) };
    case "float":
      return { type: "float", value: -value.value };
    default:
      return undefined;
  }
}

/** The filter's constant value, after folding; undefined when it depends on the span. */
export function constantValue(expr: FieldExpr): boolean | undefined {
  const folded = foldConstants(expr);
  return folded.type === "static" && folded.value.type === "bool" ? folded.value.value : undefined;
}
