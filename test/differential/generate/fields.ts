import type { FieldExpr, FieldRef, IntrinsicName, Static } from "../../../src/traceql/ast.ts";
import type { Random } from "./random.ts";
import {
  HOSTILE_KEYS,
  HOSTILE_STRINGS,
  INTS,
  NAMES,
  PATTERNS,
  SERVICES,
  STRINGS,
} from "./vocabulary.ts";

/** A field with literals that it is likely to meet. */
export type Choice = { readonly field: FieldRef; readonly value: () => Static };

const MS = 1_000_000n;
const str = (value: string): Static => ({ type: "string", value });
const num = (value: bigint): Static => ({ type: "int", value });
const dur = (value: bigint): Static => ({ type: "duration", value });
const float = (value: number): Static => ({ type: "float", value });

const SCOPES = [
  "span",
  "span",
  "any",
  "any",
  "resource",
  "event",
  "link",
  "instrumentation",
] as const;

export function attributeField(r: Random, key: string): FieldRef {
  if (r.chance(0.12)) {
    return { type: "parent-attribute", scope: r.pick(["any", "span", "resource"] as const), key };
  }
  return { type: "attribute", scope: r.pick(SCOPES), key };
}

export function anyChoice(r: Random): Choice {
  const attribute = (key: string, value: () => Static): Choice => ({
    field: attributeField(r, key),
    value,
  });
  return r.weighted<Choice>([
    [4, () => attribute("a", () => num(r.pick([0n, 1n, 2n, 3n, -1n])))],
    [2, () => attribute("f", () => float(r.pick([0.5, 1.5, 2.5, 1])))],
    [4, () => attribute("s", () => str(r.pick(STRINGS)))],
    [2, () => attribute("flag", () => ({ type: "bool", value: r.chance(0.5) }))],
    [2, () => attribute("tags", () => str(r.pick(STRINGS)))],
    [3, () => attribute("mix", () => r.pick([num(1n), num(2n), float(0.5), str("x"), dur(1n)]))],
    [
      1,
      () =>
        attribute("wild", () =>
          r.weighted<Static>([
            [1, () => num(r.pick(INTS))],
            [1, () => str(r.pick(HOSTILE_STRINGS))],
            [1, () => float(r.pick([0, 1e300, 2 ** 63, 0.5]))],
          ]),
        ),
    ],
    [0.7, () => attribute(r.pick(HOSTILE_KEYS), () => str(r.pick(HOSTILE_STRINGS)))],
    [
      1,
      () => ({
        field: {
          type: "attribute",
          scope: r.pick(["resource", "any"] as const),
          key: "service.name",
        },
        value: () => str(r.pick(SERVICES)),
      }),
    ],
    [0.3, () => attribute("absent", () => str("x"))],
    [7, () => intrinsicChoice(r)],
  ]);
}

function intrinsicChoice(r: Random): Choice {
  const of = (name: IntrinsicName, value: () => Static): Choice => ({
    field: { type: "intrinsic", name },
    value,
  });
  const durations = () => dur(r.pick([0n, 1n, 1500n, 5n * MS, 100n * MS, 250n * MS, 1000n * MS]));
  const small = () => num(BigInt(r.below(8) - 1));
  const spanId = () =>
    str(r.pick(["1", "0000000000000002", "3", "fedcba9800000001", "", "zz", "0"]));
  const traceId = () => str(r.pick(["1", "01", "A", "0000000000000000000000000000000b", "g", ""]));
  return r.weighted<Choice>([
    [3, () => of("name", () => str(r.pick(NAMES)))],
    [3, () => of("duration", durations)],
    [
      3,
      () =>
        of("status", () => ({ type: "status", value: r.pick(["ok", "error", "unset"] as const) })),
    ],
    [1, () => of("statusMessage", () => str(r.pick(STRINGS)))],
    [
      3,
      () =>
        of("kind", () => ({
          type: "kind",
          value: r.pick(["unspecified", "internal", "server", "client", "producer"] as const),
        })),
    ],
    [1, () => of("rootName", () => str(r.pick(NAMES)))],
    [1, () => of("rootServiceName", () => str(r.pick(SERVICES)))],
    [1, () => of("traceDuration", durations)],
    [1, () => of("nestedSetLeft", small)],
    [1, () => of("nestedSetRight", small)],
    [2, () => of("nestedSetParent", () => num(r.pick([0n, 0n, 1n, -1n])))],
    [1, () => of("span:id", spanId)],
    [1, () => of("span:parentID", spanId)],
    [2, () => of("span:childCount", small)],
    [1, () => of("trace:id", traceId)],
    [1.5, () => of("event:name", () => str(r.pick(["exception", "log", "x", ""])))],
    [1.5, () => of("event:timeSinceStart", () => dur(r.pick([0n, 5n, 20n * MS, 30n * MS])))],
    [0.7, () => of("link:traceID", traceId)],
    [0.7, () => of("link:spanID", spanId)],
    [1, () => of("instrumentation:name", () => str(r.pick(["", "lib", "x"])))],
    [0.5, () => of("instrumentation:version", () => str(r.pick(["", "1.0"])))],
  ]);
}

/** A field or expression whose values are mostly numbers of harmless size. */
export function numericExpr(r: Random): FieldExpr {
  return r.weighted<FieldExpr>([
    [8, () => ({ type: "field", field: numericField(r) })],
    [
      1,
      () => ({
        type: "binary",
        op: r.pick(["+", "-", "*"] as const),
        left: { type: "field", field: numericField(r) },
        right: r.chance(0.5)
          ? { type: "field", field: numericField(r) }
          : { type: "static", value: num(2n) },
      }),
    ],
    [0.3, () => ({ type: "unary", op: "-", operand: { type: "field", field: numericField(r) } })],
  ]);
}

export function numericField(r: Random): FieldRef {
  return r.weighted<FieldRef>([
    [4, () => ({ type: "intrinsic", name: "duration" })],
    [4, () => attributeField(r, "a")],
    [2, () => attributeField(r, "f")],
    [2, () => attributeField(r, "mix")],
    [0.5, () => attributeField(r, "s")],
    [
      2,
      () => ({
        type: "intrinsic",
        name: r.pick([
          "traceDuration",
          "event:timeSinceStart",
          "span:childCount",
          "nestedSetLeft",
        ] as const),
      }),
    ],
  ]);
}

export function pattern(r: Random): Static {
  return str(r.pick(PATTERNS));
}
