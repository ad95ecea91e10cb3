import { afterAll, beforeAll, expect, test } from "vitest";
import { compileTagFilter } from "../../src/query/compile-tag-filter.ts";
import { tagSource } from "../../src/query/tag-field.ts";
import { tagValues } from "../../src/query/tag-values.ts";
import type { KeyStats, SegmentMeta } from "../../src/schema/segment-meta.ts";
import { parseTagName } from "../../src/traceql/lenient.ts";
import { Random } from "../differential/generate/random.ts";
import {
  aResource,
  aService,
  aSpan,
  batchOf,
  spanIdOf,
  traceIdOf,
} from "../support/batch-builder.ts";
import { testSeed } from "../support/random.ts";
import type {
  PlainAttribute,
  PlainResource,
  PlainSpan,
  PlainValue,
} from "../support/read-batch.ts";
import { SegmentStore } from "./segment-store.ts";

const SEED = testSeed();
const r = new Random(SEED);
const ROUNDS = 12;
const QUESTIONS = 40;

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(() => store.close());

const SERVICES = ["front", "pay", "stock", "Zoll", "ÄÖ", ""];
const TEXTS = ["/a", "/b", "/c", "5", ""];
const NAMES = ["GET", "POST", ""];

function aValue(): PlainValue {
  return r.weighted<PlainValue>([
    [6, () => r.pick(TEXTS)],
    [2, () => BigInt(r.below(4))],
    [1, () => r.below(4) / 2],
    [1, () => r.chance(0.5)],
    [1, () => r.pick([anArray("/a", "/b"), anArray("/c"), anArray()])],
  ]);
}

function anArray(...texts: readonly string[]): PlainValue {
  const values = texts.map((stringValue) => ({ stringValue }));
  return { json: JSON.stringify({ arrayValue: { values } }) };
}

function someAttributes(keys: readonly string[]): PlainAttribute[] {
  const chosen = keys.filter(() => r.chance(0.5));
  return chosen.map((key) => ({ key, value: aValue() }));
}

/** `odd`: services may have names that are no texts. */
function aResourceOf(odd: boolean): PlainResource {
  const more = someAttributes(["zone", "pod"]);
  if (odd && r.chance(0.5)) {
    const value = r.pick<PlainValue>([anArray("front", "pay"), 7n, anArray("pay")]);
    return aResource({ attributes: [{ key: "service.name", value }, ...more] });
  }
  return r.chance(0.15) ? aResource({ attributes: more }) : aService(r.pick(SERVICES), more);
}

async function addSegment(index: number): Promise<void> {
  const odd = r.chance(0.4);
  const many = r.chance(0.2);
  const resources = Array.from({ length: 1 + r.below(8) }, () => aResourceOf(odd));
  // More services than a list has room for, or than a word has bits.
  const crowd = r.chance(0.2) ? r.pick([40, 64, 70]) : 0;
  for (let i = 0; i < crowd; i++) resources.push(aService(`crowd ${i}`, someAttributes(["pod"])));
  const spans = Array.from({ length: crowd + 30 }, (_, i): PlainSpan => {
    const attributes = someAttributes(["route", "code", "zone"]);
    if (many) attributes.push({ key: "id", value: `id ${i % 70}` });
    return aSpan({
      traceId: traceIdOf(1 + r.below(9)),
      spanId: spanIdOf(1 + i),
      name: r.pick(NAMES),
      statusMessage: r.pick(NAMES),
      startUnixNano: BigInt(index) * 1_000_000_000n,
      endUnixNano: BigInt(index) * 1_000_000_000n,
      attributes,
      resource: i < crowd ? resources[resources.length - 1 - i]! : r.pick(resources),
    });
  });
  await store.addBatch(batchOf(spans), { level: 1 });
}

function aCondition(): string {
  return r.weighted([
    [6, () => `resource.service.name = "${r.pick([...SERVICES, "crowd 3", "nobody"])}"`],
    [1, () => `span.code = "${r.pick(TEXTS)}"`],
    [1, () => `name = "${r.pick(NAMES)}"`],
    [1, () => `resource.service.name != "${r.pick(SERVICES)}"`],
    [1, () => `.service.name = "${r.pick(SERVICES)}"`],
  ]);
}

function aFilter(): string {
  const all = () => Array.from({ length: r.pick([1, 1, 1, 2]) }, aCondition).join(" && ");
  return `{ ${Array.from({ length: r.pick([1, 1, 1, 2]) }, all).join(" || ")} }`;
}

const TAGS = ["span.route", "span.code", "span.zone", "resource.zone", "resource.pod", "span.id"];

async function answer(tag: string, text: string, segments: readonly SegmentMeta[]) {
  store.segments.splice(0, store.segments.length, ...segments);
  store.statements.length = 0;
  const source = tagSource(parseTagName(tag)!);
  const rules = { maxQueryBytes: 10_000, maxConditionGroups: 100 };
  const { filter, known } = compileTagFilter(text, undefined, rules);
  const { values } = await tagValues(store.engine(), {
    ...{ tenants: ["single-tenant"], source, filter, known, range: undefined },
    ...{ limit: 0, maxBytes: 0, cost: () => [] },
  });
  return values.map(({ type, value }) => `${type} ${value}`);
}

/** As written by older versions. */
function withoutServices(meta: SegmentMeta): SegmentMeta {
  const keys = meta.keys.map(({ services: _, ...stats }): KeyStats => stats);
  return { ...meta, keys };
}

test("values of a tag of some services are those that the rows have", {
  timeout: 120_000,
}, async () => {
  console.log(`seed ${SEED}`);
  let unread = 0;
  for (let round = 0; round < ROUNDS; round++) {
    store.segments.length = 0;
    const count = 1 + r.below(4);
    for (let i = 0; i < count; i++) await addSegment(i);
    if (r.chance(0.25)) store.hide([traceIdOf(1 + r.below(9))]);
    const segments = [...store.segments];
    const older = segments.map(withoutServices);
    for (let n = 0; n < QUESTIONS; n++) {
      const [tag, filter] = [r.pick([...TAGS, ".zone", "name", "statusMessage"]), aFilter()];
      const expected = await answer(tag, filter, older);
      const found = await answer(tag, filter, segments);
      expect({ tag, filter, found }).toEqual({ tag, filter, found: expected });
      if (store.statements.length === 0 && expected.length > 0) unread++;
    }
  }
  // Some answers come from the catalog alone.
  expect(unread).toBeGreaterThan(ROUNDS);
});
