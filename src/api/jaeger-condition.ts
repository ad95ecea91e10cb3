import { PintailError } from "../errors.ts";
import type { FieldExpr, FieldRef, IntrinsicName, KindWord, StatusWord } from "../traceql/ast.ts";
import { TRUE_EXPR } from "../traceql/ast.ts";
import { allOf, anyOf, compares, hasText, hasValue } from "./field-conditions.ts";

export type JaegerConditions = {
  /** "" = any. */
  readonly service: string;
  readonly operation: string;
  readonly tags: Iterable<readonly [key: string, value: string]>;
  readonly minNanos: bigint | undefined;
  readonly maxNanos: bigint | undefined;
};

/** What Jaeger asks of one span: all of it. Throws `invalid` for a tag without a key. */
export function jaegerCondition(wanted: JaegerConditions): FieldExpr {
  const { service, operation, tags, minNanos, maxNanos } = wanted;
  const conditions: FieldExpr[] = [];
  if (service !== "") conditions.push(ofService(service));
  if (operation !== "") conditions.push(hasText(intrinsic("name"), operation));
  for (const [key, value] of tags) conditions.push(tagCondition(key, value));
  const duration = intrinsic("duration");
  if (minNanos !== undefined) {
    conditions.push(compares(duration, ">=", { type: "duration", value: minNanos }));
  }
  if (maxNanos !== undefined) {
    conditions.push(compares(duration, "<=", { type: "duration", value: maxNanos }));
  }
  return conditions.length === 0 ? TRUE_EXPR : allOf(conditions);
}

export function ofService(service: string): FieldExpr {
  return hasText({ type: "attribute", scope: "resource", key: "service.name" }, service);
}

export function ofKind(value: KindWord): FieldExpr {
  return compares(intrinsic("kind"), "=", { type: "kind", value });
}

export const KIND_WORDS: readonly KindWord[] = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
];

/** Texts that stand in fields of their own here. */
const TEXT_TAGS: ReadonlyMap<string, IntrinsicName> = new Map([
  ["otel.status_description", "statusMessage"],
  ["otel.scope.name", "instrumentation:name"],
  ["otel.scope.version", "instrumentation:version"],
  ["otel.library.name", "instrumentation:name"],
  ["otel.library.version", "instrumentation:version"],
  ["event", "event:name"],
]);

/**
 * A tag of the span, its process or one of its logs. Those that the receivers turn into fields are
 * looked for there too, since a span may have come by any door.
 */
function tagCondition(key: string, value: string): FieldExpr {
  if (key === "") throw new PintailError("invalid", "a tag has no key");
  const conditions = [
    hasValue({ type: "attribute", scope: "any", key }, value),
    hasValue({ type: "attribute", scope: "event", key }, value),
  ];
  const field = TEXT_TAGS.get(key);
  if (field !== undefined) conditions.push(hasText(intrinsic(field), value));
  const kind = KIND_WORDS.find((word) => word === value && word !== "unspecified");
  if (key === "span.kind" && kind !== undefined) conditions.push(ofKind(kind));
  const status = statusOf(key, value);
  if (status !== undefined) {
    conditions.push(compares(intrinsic("status"), "=", { type: "status", value: status }));
  }
  return anyOf(conditions);
}

function statusOf(key: string, value: string): StatusWord | undefined {
  if (key === "error" && value === "true") return "error";
  if (key !== "otel.status_code") return undefined;
  if (value === "ERROR") return "error";
  return value === "OK" ? "ok" : undefined;
}

function intrinsic(name: IntrinsicName): FieldRef {
  return { type: "intrinsic", name };
}
