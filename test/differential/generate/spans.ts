import { aResource, aScope, aSpan, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import type {
  PlainAttribute,
  PlainEvent,
  PlainLink,
  PlainResource,
  PlainScope,
  PlainSpan,
  PlainValue,
} from "../../support/read-batch.ts";
import type { Random } from "./random.ts";
import { HOSTILE_KEYS, HOSTILE_STRINGS, INTS, NAMES, SERVICES, STRINGS } from "./vocabulary.ts";

export const BASE = 1_767_225_600_000_000_000n;
const MS = 1_000_000n;

/** Small traces that hold what is easily got wrong. */
export function randomSpans(r: Random, traceCount: number): PlainSpan[] {
  const resources = Array.from({ length: 6 }, () => randomResource(r));
  const scopes = Array.from({ length: 3 }, () => randomScope(r));
  return Array.from({ length: traceCount }, (_, i) => {
    const id = r.chance(0.1) ? 2n ** 128n - 1n - BigInt(i) : BigInt(i + 1);
    return randomTrace(r, traceIdOf(id), resources, scopes);
  }).flat();
}

function randomTrace(
  r: Random,
  traceId: string,
  resources: readonly PlainResource[],
  scopes: readonly PlainScope[],
): PlainSpan[] {
  const start = BASE + BigInt(r.below(20)) * 30_000n * MS;
  const size = r.weighted([
    [3, () => 1 + r.below(3)],
    [4, () => 3 + r.below(6)],
    [1, () => 8 + r.below(22)],
  ]);
  const high = r.chance(0.2) ? 0xfedc_ba98_0000_0000n : 0n;
  const idOf = (n: number) => spanIdOf(high + BigInt(n));
  // Some traces are proper trees, others have many roots or none.
  const rootShare = r.pick([0, 0.1, 0.1, 0.4]);
  const orphanShare = r.pick([0, 0, 0.2]);
  const spans: PlainSpan[] = [];
  for (let i = 0; i < size; i++) {
    const first = i === 0 && !r.chance(0.1);
    const parentSpanId = r.weighted([
      [first ? 1000 : rootShare, () => ""],
      [orphanShare, () => idOf(900 + r.below(3))],
      [0.03, () => idOf(1 + r.below(size))],
      [1, () => idOf(1 + r.below(Math.max(1, i)))],
    ]);
    spans.push(
      randomSpan(r, { traceId, spanId: idOf(i + 1), parentSpanId, start }, resources, scopes),
    );
  }
  const copied = r.pick(spans);
  if (r.chance(0.3)) {
    // Mostly a client and a server that share an id; but other sorts do too, and now and then three.
    const [own, ...others] = r.weighted([
      [3, () => [3, 2]],
      [1, () => [3, 2, 1]],
      [2, () => distinctKinds(r, 2)],
      [0.5, () => distinctKinds(r, 3)],
    ]);
    copied.kind = own!;
    for (const [i, kind] of others.entries()) {
      const parentSpanId = r.weighted([
        [3, () => copied.parentSpanId],
        [3, () => copied.spanId],
        [1, () => idOf(1 + r.below(size))],
        [1, () => idOf(900)],
      ]);
      const twin = randomSpan(
        r,
        { traceId, spanId: copied.spanId, parentSpanId, start },
        resources,
        scopes,
      );
      // What shares a start and an id has no defined order.
      const shift = BigInt(i + 1) + copied.startUnixNano - twin.startUnixNano;
      spans.push({
        ...twin,
        kind,
        startUnixNano: twin.startUnixNano + shift,
        endUnixNano: twin.endUnixNano + shift,
      });
    }
  }
  return spans;
}

/** What shares an id and a kind is one span that was sent twice. */
function distinctKinds(r: Random, count: number): number[] {
  const kinds = [0, 1, 2, 3, 4, 5];
  return Array.from({ length: count }, () => kinds.splice(r.below(kinds.length), 1)[0]!);
}

type Place = { traceId: string; spanId: string; parentSpanId: string; start: bigint };

function randomSpan(
  r: Random,
  { start, ...ids }: Place,
  resources: readonly PlainResource[],
  scopes: readonly PlainScope[],
): PlainSpan {
  const startUnixNano = start + BigInt(r.below(20)) * 50n * MS + (r.chance(0.1) ? 1n : 0n);
  const duration = r.weighted([
    [1, () => 0n],
    [1, () => r.pick([1n, 2n, 5n, 1500n])],
    [6, () => BigInt(r.pick([1, 5, 100, 250, 500, 1000, 2500])) * MS],
    [1, () => BigInt(r.below(3_000_000)) * 1000n],
  ]);
  return aSpan({
    ...ids,
    name: r.pick(NAMES),
    kind: r.below(6),
    status: r.pick([0, 0, 1, 2]),
    statusMessage: r.chance(0.2) ? r.pick(STRINGS) : "",
    startUnixNano,
    endUnixNano: startUnixNano + duration,
    attributes: randomAttributes(r, 0.45),
    events: Array.from({ length: r.pick([0, 0, 0, 1, 2, 3]) }, () => randomEvent(r, startUnixNano)),
    links: Array.from({ length: r.pick([0, 0, 0, 1, 2]) }, () => randomLink(r, ids.traceId)),
    resource: r.pick(resources),
    scope: r.pick(scopes),
  });
}

function randomEvent(r: Random, start: bigint): PlainEvent {
  return {
    timeUnixNano: start + r.pick([0n, 5n, 20n * MS, 30n * MS]),
    name: r.pick(["exception", "log", "", r.pick(STRINGS)]),
    attributes: randomAttributes(r, 0.25, false),
    droppedAttributes: 0,
  };
}

function randomLink(r: Random, own: string): PlainLink {
  const attributes = randomAttributes(r, 0.25, false);
  if (r.chance(0.1)) attributes.push({ key: "opentracing.ref_type", value: "child_of" });
  return {
    traceId: r.pick([own, traceIdOf(1), traceIdOf(0), "ff".repeat(16)]),
    spanId: spanIdOf(r.pick([0, 1, 255])),
    traceState: "",
    flags: 0,
    attributes,
    droppedAttributes: 0,
  };
}

function randomResource(r: Random): PlainResource {
  const attributes = randomAttributes(r, 0.3);
  const serviceName = r.pick(SERVICES);
  if (r.chance(0.85)) attributes.push({ key: "service.name", value: serviceName });
  else if (r.chance(0.2)) attributes.push({ key: "service.name", value: 5n });
  const named = attributes.some(
    ({ key, value }) => key === "service.name" && value === serviceName,
  );
  return aResource({ attributes, serviceName: named ? serviceName : "" });
}

function randomScope(r: Random): PlainScope {
  return aScope({
    name: r.pick(["", "lib", "x"]),
    version: r.pick(["", "1.0"]),
    attributes: randomAttributes(r, 0.2),
  });
}

/** Each key has the type that its name says, but for `mix` and `wild`. */
function randomAttributes(r: Random, share: number, hostile = true): PlainAttribute[] {
  const made: PlainAttribute[] = [];
  const add = (key: string, value: () => PlainValue) => {
    if (r.chance(share)) made.push({ key, value: value() });
  };
  add("a", () => r.pick([0n, 1n, 1n, 2n, 3n, -1n, 200n]));
  add("f", () => r.pick([0.5, 1, 1.5, 2.5, -0.5, 200]));
  add("s", () => r.pick(STRINGS));
  add("flag", () => r.chance(0.5));
  add("tags", () => arrayJson(Array.from({ length: r.below(4) }, () => r.pick(STRINGS))));
  add("mix", () => mixedValue(r));
  if (hostile && r.chance(0.3)) {
    add("wild", () => wildValue(r));
    const key = r.pick(HOSTILE_KEYS);
    add(key, () => r.pick(HOSTILE_STRINGS));
  }
  return made;
}

function mixedValue(r: Random): PlainValue {
  return r.weighted<PlainValue>([
    [3, () => r.pick([0n, 1n, 2n, 5n])],
    [2, () => r.pick([0.5, 1, 2, 2.5])],
    [2, () => r.pick(STRINGS)],
    [1, () => r.chance(0.5)],
    [1, () => arrayJson(Array.from({ length: 1 + r.below(3) }, () => r.pick([0n, 1n, 2n, 5n])))],
    [0.5, () => arrayJson(Array.from({ length: 1 + r.below(3) }, () => r.chance(0.5)))],
    [0.5, () => arrayJson(Array.from({ length: 1 + r.below(3) }, () => r.pick([0.5, 1, 2])))],
    [0.3, () => arrayJson([])],
    [0.2, () => ({ json: '{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"x"}}]}}' })],
    [0.2, () => ({ json: '{"bytesValue":"AAE="}' })],
    [0.2, () => ({ json: "{}" })],
  ]);
}

function wildValue(r: Random): PlainValue {
  return r.weighted<PlainValue>([
    [2, () => r.pick(INTS)],
    [
      2,
      () =>
        r.pick([
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
          1e300,
          -0,
          5e-324,
          2 ** 63,
        ]),
    ],
    [3, () => r.pick(HOSTILE_STRINGS)],
  ]);
}

export function arrayJson(items: readonly (string | bigint | number | boolean)[]): PlainValue {
  const values = items.map((item) => {
    switch (typeof item) {
      case "string":
        return { stringValue: item };
      case "bigint":
        return { intValue: item.toString() };
      case "number":
        return { doubleValue: item };
      default:
        return { boolValue: item };
    }
  });
  return { json: JSON.stringify({ arrayValue: values.length === 0 ? {} : { values } }) };
}
