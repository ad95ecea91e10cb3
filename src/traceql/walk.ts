import type { FieldExpr, FieldRef, LogicOp, ScalarExpr, SpansetExpr, Stage } from "./ast.ts";
import { fieldText } from "./field-text.ts";

/**
 * Computes a value for `root` from those of its children, without recursion: chains of thousands of
 * operators are legal, and every runtime's stack is finite. `make` sees children left to right.
 */
export function foldTree<N, T>(
  root: N,
  children: (node: N) => readonly N[],
  make: (node: N, results: readonly T[]) => T,
): T {
  type Frame = { node: N; kids: readonly N[]; results: T[] };
  const stack: Frame[] = [{ node: root, kids: children(root), results: [] }];
  for (;;) {
    const frame = stack[stack.length - 1]!;
    const kid = frame.results.length;
    if (kid < frame.kids.length) {
      const node = frame.kids[kid]!;
      stack.push({ node, kids: children(node), results: [] });
      continue;
    }
    const made = make(frame.node, frame.results);
    stack.pop();
    const parent = stack[stack.length - 1];
    if (parent === undefined) return made;
    parent.results.push(made);
  }
}

export function foldField<T>(
  root: FieldExpr,
  make: (node: FieldExpr, results: readonly T[]) => T,
): T {
  return foldTree(root, fieldChildren, make);
}

function fieldChildren(node: FieldExpr): readonly FieldExpr[] {
  switch (node.type) {
    case "static":
    case "field":
      return [];
    case "unary":
    case "exists":
      return [node.operand];
    case "binary":
      return [node.left, node.right];
    default:
      return node satisfies never;
  }
}

/** Operands of spanset operators; a parenthesised pipeline is a leaf here. */
export function foldSpanset<T>(
  root: SpansetExpr,
  make: (node: SpansetExpr, results: readonly T[]) => T,
): T {
  return foldTree(
    root,
    (node) => (node.type === "spanset-op" ? [node.left, node.right] : []),
    make,
  );
}

export function foldScalar<T>(
  root: ScalarExpr,
  make: (node: ScalarExpr, results: readonly T[]) => T,
): T {
  return foldTree(root, (node) => (node.type === "scalar-op" ? [node.left, node.right] : []), make);
}

/** The operands of a chain of one logic operator, left to right: `(a && b) && (c && d)` has four. */
export function logicOperands(expr: FieldExpr, op: LogicOp): FieldExpr[] {
  const operands: FieldExpr[] = [];
  const pending: FieldExpr[] = [expr];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.type === "binary" && node.op === op) pending.push(node.right, node.left);
    else operands.push(node);
  }
  return operands;
}

/** Levels of `expr`, where a chain of one logic operator counts as one. */
export function fieldDepth(expr: FieldExpr): number {
  type Measured = { depth: number; op: string };
  return foldField<Measured>(expr, (node, results) => {
    const op = node.type === "binary" && (node.op === "&&" || node.op === "||") ? node.op : "";
    let depth = 0;
    for (const result of results) {
      depth = Math.max(depth, op !== "" && result.op === op ? result.depth - 1 : result.depth);
    }
    return { depth: depth + 1, op };
  }).depth;
}

/** A set of fields that remembers their order. */
export class FieldSet {
  readonly #fields = new Map<string, FieldRef>();

  add(field: FieldRef): void {
    const text = fieldText(field);
    if (!this.#fields.has(text)) this.#fields.set(text, field);
  }

  addAllOf(expr: FieldExpr): void {
    foldField<void>(expr, (node) => {
      if (node.type === "field") this.add(node.field);
    });
  }

  has(field: FieldRef): boolean {
    return this.#fields.has(fieldText(field));
  }

  list(): readonly FieldRef[] {
    return [...this.#fields.values()];
  }
}

/** Fields of `expr`, each once, in the order of their first mention. */
export function fieldsOf(expr: FieldExpr): readonly FieldRef[] {
  const fields = new FieldSet();
  fields.addAllOf(expr);
  return fields.list();
}

/** Adds every field that the stages mention, also inside parenthesised pipelines. */
export function addStageFields(stages: readonly Stage[], fields: FieldSet): void {
  const scalar = (expr: ScalarExpr): void =>
    foldScalar<void>(expr, (node) => {
      if (node.type === "scalar-pipeline") addStageFields(node.stages, fields);
      const aggregate = node.type === "scalar-pipeline" ? node.aggregate : node;
      if (aggregate.type === "aggregate" && aggregate.expr !== undefined) {
        fields.addAllOf(aggregate.expr);
      }
    });
  for (const stage of stages) {
    switch (stage.type) {
      case "filter":
      case "spanset-op":
      case "pipeline":
        foldSpanset<void>(stage, (node) => {
          if (node.type === "filter") fields.addAllOf(node.expr);
          else if (node.type === "pipeline") addStageFields(node.stages, fields);
        });
        break;
      case "scalar-filter":
        scalar(stage.left);
        scalar(stage.right);
        break;
      case "group":
        fields.addAllOf(stage.by);
        break;
      case "select":
        for (const field of stage.fields) fields.add(field);
        break;
      case "coalesce":
        break;
      default:
        stage satisfies never;
    }
  }
}
