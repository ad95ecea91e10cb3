import type {
  Aggregate,
  FieldExpr,
  FieldRef,
  Hint,
  MetricsStage,
  Query,
  ScalarExpr,
  SecondStage,
  SpansetExpr,
  Stage,
  Static,
} from "./ast.ts";
import { formatDuration } from "./duration.ts";
import { fieldText } from "./field-text.ts";
import { foldField, foldScalar, foldSpanset } from "./walk.ts";
import { INT64_MIN } from "./words.ts";

/** Canonical text of a query; parsing it gives the same tree. */
export function printQuery(query: Query): string {
  let text = printStages(query.stages);
  if (query.metrics !== undefined) text += ` | ${printMetrics(query.metrics)}`;
  for (const stage of query.second) text += printSecondStage(stage);
  return text + printHints(query.hints);
}

/** With a blank before it; empty without hints. */
export function printHints(hints: readonly Hint[]): string {
  if (hints.length === 0) return "";
  return ` with(${hints.map((hint) => `${hint.name}=${printStatic(hint.value)}`).join(", ")})`;
}

export function printStages(stages: readonly Stage[]): string {
  return stages.map(printStage).join(" | ");
}

/** Also the name of the spanset attribute that a stage adds: `by(resource.service.name)`. */
export function printStage(stage: Stage): string {
  switch (stage.type) {
    case "filter":
    case "spanset-op":
    case "pipeline":
      return printSpanset(stage);
    case "scalar-filter":
      return `${printScalar(stage.left)} ${stage.op} ${printScalar(stage.right)}`;
    case "group":
      return `by(${printField(stage.by)})`;
    case "select":
      return `select(${stage.fields.map(fieldText).join(", ")})`;
    case "coalesce":
      return "coalesce()";
    default:
      return stage satisfies never;
  }
}

/** Pieces are joined once at the end: a chain's text, built by concatenation, would be quadratic. */
type Pieces = readonly (string | Pieces)[];

function join(pieces: Pieces): string {
  const out: string[] = [];
  const pending: (string | Pieces)[] = [pieces];
  for (let piece = pending.pop(); piece !== undefined; piece = pending.pop()) {
    if (typeof piece === "string") out.push(piece);
    else for (let i = piece.length - 1; i >= 0; i--) pending.push(piece[i]!);
  }
  return out.join("");
}

/** `op` is empty for what needs no parentheses anywhere. */
type Printed = { readonly pieces: Pieces; readonly op: string };

function wrapped(printed: Printed): Pieces {
  return printed.op === "" ? printed.pieces : ["(", printed.pieces, ")"];
}

function isLogic(op: string): boolean {
  return op === "&&" || op === "||";
}

export function printSpanset(expr: SpansetExpr): string {
  const printed = foldSpanset<Printed>(expr, (node, results) => {
    switch (node.type) {
      case "filter":
        return { pieces: [`{ ${printField(node.expr)} }`], op: "" };
      case "pipeline":
        return { pieces: [`(${printStages(node.stages)})`], op: "" };
      case "spanset-op":
        return {
          pieces: [leftOfSpansetOp(results[0]!, node.op), ` ${node.op} `, wrapped(results[1]!)],
          op: node.op,
        };
      default:
        return node satisfies never;
    }
  });
  return join(printed.pieces);
}

/** Chains go without parentheses: thousands of them would be deeper than the parser follows. */
function leftOfSpansetOp(left: Printed, op: string): Pieces {
  return isLogic(left.op) && !isLogic(op) ? wrapped(left) : left.pieces;
}

export function printField(expr: FieldExpr): string {
  const printed = foldField<Printed>(expr, (node, results) => {
    switch (node.type) {
      case "static":
        return { pieces: [printStatic(node.value)], op: "" };
      case "field":
        return { pieces: [fieldText(node.field)], op: "" };
      case "unary":
        return { pieces: [node.op, wrapped(results[0]!)], op: node.op };
      case "exists":
        return {
          pieces: [wrapped(results[0]!), node.negated ? " = nil" : " != nil"],
          op: "nil",
        };
      case "binary":
        return {
          pieces: [leftOfFieldOp(results[0]!, node.op), ` ${node.op} `, wrapped(results[1]!)],
          op: node.op,
        };
      default:
        return node satisfies never;
    }
  });
  return join(printed.pieces);
}

/** Every operation that is an operand stands in parentheses, but for chains of one logic operator. */
function leftOfFieldOp(left: Printed, op: string): Pieces {
  return isLogic(op) && left.op === op ? left.pieces : wrapped(left);
}

export function printScalar(expr: ScalarExpr): string {
  const printed = foldScalar<Printed>(expr, (node, results) => {
    switch (node.type) {
      case "aggregate":
        return { pieces: [printAggregate(node)], op: "" };
      case "scalar-static":
        return { pieces: [printStatic(node.value)], op: "" };
      case "scalar-pipeline":
        return {
          pieces: [`(${printStages(node.stages)} | ${printAggregate(node.aggregate)})`],
          op: "",
        };
      case "scalar-op":
        return {
          pieces: [wrapped(results[0]!), ` ${node.op} `, wrapped(results[1]!)],
          op: node.op,
        };
      default:
        return node satisfies never;
    }
  });
  return join(printed.pieces);
}

export function printAggregate(aggregate: Aggregate): string {
  return `${aggregate.fn}(${aggregate.expr === undefined ? "" : printField(aggregate.expr)})`;
}

export function printMetrics(stage: MetricsStage): string {
  switch (stage.type) {
    case "metrics": {
      const field = stage.field === undefined ? "" : fieldText(stage.field);
      return `${stage.fn}(${field})${printBy(stage.by)}`;
    }
    case "quantiles": {
      const quantiles = stage.quantiles.map((q) => String(q)).join(", ");
      return `quantile_over_time(${fieldText(stage.field)}, ${quantiles})${printBy(stage.by)}`;
    }
    case "compare": {
      let text = `compare({ ${printField(stage.selection)} }`;
      if (stage.topN !== undefined) text += `, ${stage.topN}`;
      if (stage.window !== undefined) text += `, ${stage.window.start}, ${stage.window.end}`;
      return `${text})`;
    }
    default:
      return stage satisfies never;
  }
}

function printBy(fields: readonly FieldRef[]): string {
  return fields.length === 0 ? "" : ` by(${fields.map(fieldText).join(", ")})`;
}

export function printSecondStage(stage: SecondStage): string {
  return stage.type === "metrics-filter"
    ? ` ${stage.op} ${printStatic(stage.value)}`
    : ` | ${stage.type}(${stage.limit})`;
}

export function printStatic(value: Static): string {
  switch (value.type) {
    case "string":
      return printString(value.value);
    case "int":
      return value.value === INT64_MIN ? "minInt" : value.value.toString();
    case "float":
      return printFloat(value.value);
    case "bool":
      return value.value ? "true" : "false";
    case "duration":
      return formatDuration(value.value);
    case "status":
    case "kind":
      return value.value;
    default:
      return value satisfies never;
  }
}

/** In backticks, or with escapes where those cannot hold it: Go's scanners refuse a NUL. */
function printString(text: string): string {
  if (!/[`\r\0]/.test(text)) return `\`${text}\``;
  return `"${text.replace(/[\\"\n\r\0]/g, (c) => ESCAPES[c]!)}"`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\0": "\\x00",
};

/** Shortest form, recognisable as a float. */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
