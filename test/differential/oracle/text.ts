import type {
  Aggregate,
  FieldExpr,
  FieldRef,
  MetricsStage,
  Query,
  ScalarExpr,
  SpansetExpr,
  Stage,
  Static,
} from "../../../src/traceql/ast.ts";

/** The text of expressions as §3.9 writes them: names of attributes and labels, and whole queries. */
export function fieldText(field: FieldRef): string {
  if (field.type === "intrinsic") return field.name;
  const scope = field.type === "parent-attribute" ? parentScope(field.scope) : field.scope;
  const ambiguous =
    (scope === "any" && /^[0-9]/.test(field.key)) ||
    (scope === "parent" && /^(span|resource)\./.test(field.key));
  const plain = field.key !== "" && !/[\s{}()=~!<>&|^,"]/u.test(field.key) && !ambiguous;
  const key = plain ? field.key : `"${field.key.replace(/["\\]/g, "\\$&")}"`;
  return scope === "any" ? `.${key}` : `${scope}.${key}`;
}

function parentScope(scope: string): string {
  return scope === "any" ? "parent" : `parent.${scope}`;
}

export function exprText(e: FieldExpr): string {
  const wrapped = (operand: FieldExpr) =>
    operand.type === "static" || operand.type === "field"
      ? exprText(operand)
      : `(${exprText(operand)})`;
  switch (e.type) {
    case "static":
      return staticText(e.value);
    case "field":
      return fieldText(e.field);
    case "unary":
      return `${e.op}${wrapped(e.operand)}`;
    case "binary":
      return `${wrapped(e.left)} ${e.op} ${wrapped(e.right)}`;
    case "exists":
      return `${wrapped(e.operand)} ${e.negated ? "=" : "!="} nil`;
    default:
      return e satisfies never;
  }
}

export function staticText(value: Static): string {
  switch (value.type) {
    case "string":
      return stringText(value.value);
    case "int":
      return value.value === -(2n ** 63n) ? "minInt" : String(value.value);
    case "float":
      return floatText(value.value);
    case "duration":
      return durationText(value.value);
    default:
      return String(value.value);
  }
}

function stringText(text: string): string {
  if (!/[`\r\0]/.test(text)) return `\`${text}\``;
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\0/g, "\\x00")}"`;
}

export function floatText(value: number): string {
  const text = String(value);
  return /[.e]/.test(text) || !Number.isFinite(value) ? text : `${text}.0`;
}

/** Go's form of a duration. */
export function durationText(nanos: bigint): string {
  const sign = nanos < 0n ? "-" : "";
  const n = nanos < 0n ? -nanos : nanos;
  const decimals = (v: bigint, places: number) => {
    const digits = v.toString().padStart(places + 1, "0");
    return `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, "");
  };
  if (n === 0n) return "0s";
  if (n < 1000n) return `${sign}${n}ns`;
  if (n < 1_000_000n) return `${sign}${decimals(n, 3)}µs`;
  if (n < 1_000_000_000n) return `${sign}${decimals(n, 6)}ms`;
  const minutes = n / 60_000_000_000n;
  const rest = n % 60_000_000_000n;
  const seconds = rest === 0n ? "0" : decimals(rest, 9);
  if (minutes === 0n) return `${sign}${seconds}s`;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}s`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}s`;
}

export function aggregateText(aggregate: Aggregate): string {
  return `${aggregate.fn}(${aggregate.expr === undefined ? "" : exprText(aggregate.expr)})`;
}

export function scalarText(e: ScalarExpr): string {
  switch (e.type) {
    case "aggregate":
      return aggregateText(e);
    case "scalar-static":
      return staticText(e.value);
    case "scalar-op": {
      const wrapped = (operand: ScalarExpr) =>
        operand.type === "scalar-op" ? `(${scalarText(operand)})` : scalarText(operand);
      return `${wrapped(e.left)} ${e.op} ${wrapped(e.right)}`;
    }
    case "scalar-pipeline":
      return `(${[...e.stages.map(stageText), aggregateText(e.aggregate)].join(" | ")})`;
    default:
      return e satisfies never;
  }
}

function spansetText(e: SpansetExpr): string {
  const wrapped = (operand: SpansetExpr) =>
    operand.type === "spanset-op" ? `(${spansetText(operand)})` : spansetText(operand);
  switch (e.type) {
    case "filter":
      return `{ ${exprText(e.expr)} }`;
    case "spanset-op":
      return `${wrapped(e.left)} ${e.op} ${wrapped(e.right)}`;
    case "pipeline":
      return `(${e.stages.map(stageText).join(" | ")})`;
    default:
      return e satisfies never;
  }
}

export function stageText(stage: Stage): string {
  switch (stage.type) {
    case "scalar-filter":
      return `${scalarText(stage.left)} ${stage.op} ${scalarText(stage.right)}`;
    case "group":
      return `by(${exprText(stage.by)})`;
    case "select":
      return `select(${stage.fields.map(fieldText).join(", ")})`;
    case "coalesce":
      return "coalesce()";
    default:
      return spansetText(stage);
  }
}

function metricsText(stage: MetricsStage): string {
  const by = (fields: readonly FieldRef[]) =>
    fields.length === 0 ? "" : ` by(${fields.map(fieldText).join(", ")})`;
  switch (stage.type) {
    case "metrics":
      return `${stage.fn}(${stage.field ? fieldText(stage.field) : ""})${by(stage.by)}`;
    case "quantiles":
      return `quantile_over_time(${[fieldText(stage.field), ...stage.quantiles].join(", ")})${by(stage.by)}`;
    case "compare": {
      const parts = [`{ ${exprText(stage.selection)} }`];
      if (stage.topN !== undefined) parts.push(String(stage.topN));
      if (stage.window) parts.push(String(stage.window.start), String(stage.window.end));
      return `compare(${parts.join(", ")})`;
    }
    default:
      return stage satisfies never;
  }
}

export function queryText(query: Query): string {
  const parts = query.stages.map(stageText);
  if (query.metrics !== undefined) parts.push(metricsText(query.metrics));
  let text = parts.join(" | ");
  for (const second of query.second) {
    text +=
      second.type === "metrics-filter"
        ? ` ${second.op} ${staticText(second.value)}`
        : ` | ${second.type}(${second.limit})`;
  }
  if (query.hints.length > 0) {
    const hints = query.hints.map((hint) => `${hint.name}=${staticText(hint.value)}`);
    text += ` with(${hints.join(", ")})`;
  }
  return text;
}
