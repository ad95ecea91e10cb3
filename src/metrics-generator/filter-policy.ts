import { RE2JS } from "re2js";
import { type AttributeColumns, AttributeType } from "../model/attribute-columns.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import type { BatchAttributes } from "./batch-attributes.ts";
import type { FilterPolicy, PolicyAttribute, PolicyMatch } from "./settings.ts";
import { kindText, statusText } from "./span-words.ts";
import { doubleOf } from "./value-text.ts";

/** Keys of attributes that the policies look at. */
export function keysOfPolicies(policies: readonly FilterPolicy[]): readonly string[] {
  return policies.flatMap(({ include, includeAny, exclude }) =>
    [include, includeAny, exclude].flatMap(
      (match) => match?.attributes.flatMap(({ key }) => (key === "" ? [] : [key])) ?? [],
    ),
  );
}

type Match = { readonly tests: readonly Test[] };
type Test = { readonly attribute: PolicyAttribute; readonly pattern: RE2JS | undefined };

/** Which spans the policies let through. */
export class SpanFilter {
  readonly #includes: readonly Match[];
  readonly #includesAny: readonly Match[];
  readonly #excludes: readonly Match[];

  /** Throws for a regular expression that is none. */
  constructor(policies: readonly FilterPolicy[]) {
    const those = (of: (policy: FilterPolicy) => PolicyMatch | undefined): Match[] =>
      policies.flatMap((policy) => {
        const match = of(policy);
        return match === undefined ? [] : [compiled(match)];
      });
    this.#includes = those(({ include }) => include);
    this.#includesAny = those(({ includeAny }) => includeAny);
    this.#excludes = those(({ exclude }) => exclude);
  }

  get isOpen(): boolean {
    return this.#includes.length + this.#includesAny.length + this.#excludes.length === 0;
  }

  /** `attributes` know the keys of the policies. */
  keeps(batch: SpanBatch, row: number, attributes: BatchAttributes): boolean {
    const meets = ({ tests }: Match): boolean =>
      tests.every((test) => holds(test, batch, row, attributes));
    if (this.#excludes.some(meets)) return false;
    if (this.#includesAny.some(meets)) return true;
    if (this.#includes.length > 0) return this.#includes.every(meets);
    return this.#includesAny.length === 0;
  }
}

function compiled({ type, attributes }: PolicyMatch): Match {
  const tests = attributes.map((attribute) => ({
    attribute,
    pattern: type === "regex" ? RE2JS.compile(String(attribute.value)) : undefined,
  }));
  return { tests };
}

function holds(
  { attribute, pattern }: Test,
  batch: SpanBatch,
  row: number,
  attributes: BatchAttributes,
): boolean {
  const fits = (text: string): boolean =>
    pattern === undefined ? text === attribute.value : pattern.matcher(text).find();
  switch (attribute.of) {
    case "kind":
      return fits(kindText(batch.kind[row]!));
    case "status":
      return fits(statusText(batch.status[row]!));
    case "name":
      return fits(batch.strings.text(batch.name[row]!));
    case "resource":
    case "span": {
      const key = attributes.keys.indexOf(attribute.key);
      const isSpan = attribute.of === "span";
      const columns = isSpan ? batch.attributes : batch.resourceAttributes;
      const entry = isSpan
        ? attributes.ofSpan(row, key)
        : attributes.ofResource(batch.resource[row]!, key);
      if (entry < 0) return false;
      if (columns.types[entry] === AttributeType.string) {
        return fits(batch.strings.text(columns.values[2 * entry]!));
      }
      return pattern === undefined && isEqual(columns, entry, attribute.value);
    }
    default:
      return attribute.of satisfies never;
  }
}

/** Of values that are no strings; those of another type than wanted are never equal. */
function isEqual(columns: AttributeColumns, entry: number, wanted: PolicyAttribute["value"]) {
  const lo = columns.values[2 * entry]!;
  const hi = columns.values[2 * entry + 1]!;
  switch (columns.types[entry]) {
    case AttributeType.bool:
      return wanted === (lo !== 0);
    case AttributeType.int:
      return wanted === BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo));
    case AttributeType.double:
      return wanted === doubleOf(lo, hi);
    default:
      return false;
  }
}
