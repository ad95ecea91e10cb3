import { afterAll, beforeAll, expect, test } from "vitest";
import { compileTagFilter } from "../../src/query/compile-tag-filter.ts";
import { tagSource } from "../../src/query/tag-field.ts";
import { tagNames } from "../../src/query/tag-names.ts";
import { TAG_SCOPES } from "../../src/query/tag-scopes.ts";
import { tagValues } from "../../src/query/tag-values.ts";
import type { SegmentMeta } from "../../src/schema/segment-meta.ts";
import { parseTagName } from "../../src/traceql/lenient.ts";
import { Random } from "../differential/generate/random.ts";
import {
  aResource,
  aScope,
  aService,
  aSpan,
  batchOf,
  spanIdOf,
  traceIdOf,
} from "../support/batch-builder.ts";
import { testSeed } from "../support/random.ts";
import type {
  PlainAttribute,
  PlainEvent,
  PlainLink,
  PlainResource,
  PlainSpan,
  PlainValue,
} from "../support/read-batch.ts";
import { SegmentStore } from "./segment-store.ts";

const SEED = testSeed();
const r = new Random(SEED);
const ROUNDS = 12;
const QUESTIONS = 30;

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
  // Not all senders name their service by an attribute.
  if (r.chance(0.3)) return aResource({ attributes: more, serviceName: r.pick(SERVICES) });
  return aService(r.pick(SERVICES), more);
}

function anEvent(): PlainEvent {
  const attributes = someAttributes(["zone", "cause"]);
  return { timeUnixNano: 0n, name: r.pick(NAMES), attributes, droppedAttributes: 0 };
}

function aLink(): PlainLink {
  const attributes = someAttributes(["zone", "why"]);
  const ids = { traceId: traceIdOf(99), spanId: spanIdOf(99) };
  return { ...ids, traceState: "", flags: 0, attributes, droppedAttributes: 0 };
}

async function addSegment(index: number): Promise<void> {
  const odd = r.chance(0.2);
  const many = r.chance(0.2);
  const resources = Array.from({ length: 1 + r.below(8) }, () => aResourceOf(odd));
  // More services than a list has room for, or than a word has bits.
  const crowd = r.chance(0.2) ? r.pick([40, 64, 70]) : 0;
  for (let i = 0; i < crowd; i++) resources.push(aService(`crowd ${i}`, someAttributes(["pod"])));
  const scopes = Array.from({ length: 3 }, () =>
    aScope({ name: r.pick(NAMES), attributes: someAttributes(["zone", "lib"]) }),
  );
  const spans = Array.from({ length: crowd + 30 }, (_, i): PlainSpan => {
    const attributes = someAttributes(["route", "code", "zone"]);
    if (i === crowd) attributes.push({ key: "once", value: "here" });
    if (many) attributes.push({ key: "id", value: `id ${i % 70}` });
    return aSpan({
      traceId: traceIdOf(1 + r.below(9)),
      spanId: spanIdOf(1 + i),
      name: r.pick(NAMES),
      statusMessage: r.pick(NAMES),
      startUnixNano: BigInt(index) * 1_000_000_000n,
      endUnixNano: BigInt(index) * 1_000_000_000n,
      attributes,
      events: r.chance(0.2) ? [anEvent()] : [],
      links: r.chance(0.1) ? [aLink()] : [],
      scope: r.pick(scopes),
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

const TAGS = [
  ...["span.route", "span.code", "span.zone", "resource.zone", "resource.pod", "span.id"],
  ...["resource.service.name", "event.zone", "link.zone", "instrumentation.zone"],
  ...[".zone", "name", "statusMessage", "event:name"],
];

const RULES = { maxQueryBytes: 10_000, maxConditionGroups: 100 };
const REQUEST = { tenants: ["single-tenant"], range: undefined, maxBytes: 0 };

/** `tag` undefined: the names of all tags. */
async function answer(tag: string | undefined, text: string, segments: readonly SegmentMeta[]) {
  store.segments.splice(0, store.segments.length, ...segments);
  store.statements.length = 0;
  const { filter, known } = compileTagFilter(text, undefined, RULES);
  if (tag === undefined) {
    const request = { ...REQUEST, filter, scopes: TAG_SCOPES, limitPerScope: 0 };
    const { names } = await tagNames(store.engine(), request);
    return [...names].flatMap(([scope, keys]) => keys.map((key) => `${scope} ${key}`));
  }
  const source = tagSource(parseTagName(tag));
  const request = { ...REQUEST, source, filter, known, limit: 0, cost: () => [] };
  const { values } = await tagValues(store.engine(), request);
  return values.map(({ type, value }) => `${type} ${value}`);
}

test("tags and values of some services are those that the rows have", {
  timeout: 120_000,
}, async () => {
  console.log(`seed ${SEED}`);
  let unread = 0;
  for (let round = 0; round < ROUNDS; round++) {
    store.segments.length = 0;
    const count = 1 + r.below(4);
    for (let i = 0; i < count; i++) await addSegment(i);
    if (r.chance(0.4)) store.hide([1, 2, 3, 4].map((n) => traceIdOf(n + r.below(6))));
    const segments = [...store.segments];
    store.forgetServices();
    const older = [...store.segments];
    for (let n = 0; n < QUESTIONS; n++) {
      const [tag, filter] = [r.chance(0.3) ? undefined : r.pick(TAGS), aFilter()];
      const expected = await answer(tag, filter, older);
      const found = await answer(tag, filter, segments);
      expect({ tag, filter, found }).toEqual({ tag, filter, found: expected });
      if (store.statements.length === 0 && expected.length > 0) unread++;
    }
  }
  // Some answers come from the catalog alone.
  expect(unread).toBeGreaterThan(0);
});
