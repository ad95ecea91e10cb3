import { RE2JS } from "re2js";
import { type AttributeColumns, AttributeType } from "../model/attribute-columns.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { doubleOf, int64Of } from "../util/number-words.ts";
import type { BatchAttributes } from "./batch-attributes.ts";
import type { FilterPolicy, PolicyAttribute, PolicyMatch } from "./settings.ts";
import { kindText, statusText } from "./span-words.ts";

/** Keys of attributes that the policies look at. */
export function keysOfPolicies(policies: readonly FilterPolicy[]): readonly string[] {
  return policies.flatMap(({ include, includeAny, exclude }) =>
    [include, includeAny, exclude].flatMap(
      (match) => match?.attributes.flatMap(({ key }) => (key === "" ? [] : [key])) ?? [],
    ),
  );
}

type Test = { readonly attribute: PolicyAttribute; readonly pattern: RE2JS | undefined };
type Match<T> = readonly T[];
type Matches<T> = {
  readonly includes: readonly Match<T>[];
  readonly includesAny: readonly Match<T>[];
  readonly excludes: readonly Match<T>[];
};

/** Which spans the policies let through. */
export class SpanFilter {
  readonly #matches: Matches<Test>;

  /** Throws for a regular expression that is none. */
  constructor(policies: readonly FilterPolicy[]) {
    const those = (of: (policy: FilterPolicy) => PolicyMatch | undefined): Match<Test>[] =>
      policies.flatMap((policy) => {
        const match = of(policy);
        return match === undefined ? [] : [compiled(match)];
      });
    this.#matches = {
      includes: those(({ include }) => include),
      includesAny: those(({ includeAny }) => includeAny),
      excludes: those(({ exclude }) => exclude),
    };
  }

  /** Undefined when all of them pass. `attributes` know the keys of the policies. */
  over(batch: SpanBatch, attributes: BatchAttributes): BatchFilter | undefined {
    const { includes, includesAny, excludes } = this.#matches;
    if (includes.length + includesAny.length + excludes.length === 0) return undefined;
    const bound = (matches: readonly Match<Test>[]): Match<BatchTest>[] =>
      matches.map((tests) => tests.map((test) => new BatchTest(test, batch, attributes)));
    return new BatchFilter({
      includes: bound(includes),
      includesAny: bound(includesAny),
      excludes: bound(excludes),
    });
  }
}

/** The same for the spans of one batch. */
export class BatchFilter {
  readonly #matches: Matches<BatchTest>;

  constructor(matches: Matches<BatchTest>) {
    this.#matches = matches;
  }

  keeps(row: number): boolean {
    const { includes, includesAny, excludes } = this.#matches;
    const meets = (tests: Match<BatchTest>): boolean => tests.every((test) => test.holds(row));
    if (excludes.some(meets)) return false;
    if (includesAny.some(meets)) return true;
    if (includes.length > 0) return includes.every(meets);
    return includesAny.length === 0;
  }
}

function compiled({ type, attributes }: PolicyMatch): Match<Test> {
  return attributes.map((attribute) => ({
    attribute,
    pattern: type === "regex" ? RE2JS.compile(String(attribute.value)) : undefined,
  }));
}

class BatchTest {
  readonly #test: Test;
  readonly #batch: SpanBatch;
  readonly #attributes: BatchAttributes;
  readonly #key: number;
  /** By string id: a pattern is tried once for each text. */
  readonly #known = new Map<number, boolean>();

  constructor(test: Test, batch: SpanBatch, attributes: BatchAttributes) {
    this.#test = test;
    this.#batch = batch;
    this.#attributes = attributes;
    this.#key = attributes.keys.indexOf(test.attribute.key);
  }

  holds(row: number): boolean {
    const { attributes, resourceAttributes, kind, name, resource, status } = this.#batch;
    const { of } = this.#test.attribute;
    switch (of) {
      case "kind":
        return this.#fits(kindText(kind[row]!));
      case "status":
        return this.#fits(statusText(status[row]!));
      case "name":
        return this.#fitsString(name[row]!);
      case "resource": {
        const entry = this.#attributes.ofResource(resource[row]!, this.#key);
        return this.#holdsFor(resourceAttributes, entry);
      }
      case "span":
        return this.#holdsFor(attributes, this.#attributes.ofSpan(row, this.#key));
      default:
        return of satisfies never;
    }
  }

  #holdsFor(columns: AttributeColumns, entry: number): boolean {
    if (entry < 0) return false;
    if (columns.types[entry] === AttributeType.string) {
      return this.#fitsString(columns.values[2 * entry]!);
    }
    const { attribute, pattern } = this.#test;
    return pattern === undefined && isEqual(columns, entry, attribute.value);
  }

  #fitsString(id: number): boolean {
    let fits = this.#known.get(id);
    if (fits === undefined) {
      fits = this.#fits(this.#batch.strings.text(id));
      this.#known.set(id, fits);
    }
    return fits;
  }

  #fits(text: string): boolean {
    const { attribute, pattern } = this.#test;
    return pattern === undefined ? text === attribute.value : pattern.matcher(text).find();
  }
}

/** Of values that are no strings; those of another type than wanted are never equal. */
function isEqual(
  columns: AttributeColumns,
  entry: number,
  wanted: PolicyAttribute["value"],
): boolean {
  const lo = columns.values[2 * entry]!;
  const hi = columns.values[2 * entry + 1]!;
  switch (columns.types[entry]) {
    case AttributeType.bool:
      return wanted === (lo !== 0);
    case AttributeType.int:
      return wanted === int64Of(lo, hi);
    case AttributeType.double:
      return wanted === doubleOf(lo, hi);
    default:
      return false;
  }
}
