import type { AnyValueLike } from "../../../traceql/sql/field.ts";
import { compareText, labelKey, labelText } from "../label-value.ts";
import type { CountSink, GroupCounts } from "./count-sink.ts";

export type CountedValue = GroupCounts & { readonly value: AnyValueLike };

type Attribute = { readonly total: GroupCounts; readonly values: Map<string, CountedValue> };

/** Values that are told apart in all attributes together. */
const MAX_VALUES = 500_000;

/** How many spans have which attribute, and which of its values. */
export class ValueCounts {
  readonly #attributes = new Map<string, Attribute>();
  #size = 0;

  /** Throws nothing: beyond the bound new values are left out, the totals stay right. */
  add(attribute: string, value: AnyValueLike, counts: GroupCounts): void {
    const { values } = this.#attribute(attribute);
    const key = labelKey(value);
    const known = values.get(key);
    if (known !== undefined) addTo(known, counts);
    else if (this.#size < MAX_VALUES) {
      this.#size++;
      values.set(key, { value, ...counts });
    }
  }

  addTotal(attribute: string, counts: GroupCounts): void {
    addTo(this.#attribute(attribute).total, counts);
  }

  /** Tells `sink` everything, as of the first bucket. */
  tell(sink: CountSink): void {
    for (const [attribute, { total, values }] of this.#attributes) {
      sink.total(attribute, 0, total);
      for (const each of values.values()) sink.value(attribute, each.value, 0, each);
    }
  }

  attributes(): string[] {
    return [...this.#attributes.keys()].sort(compareText);
  }

  total(attribute: string): GroupCounts {
    return this.#attribute(attribute).total;
  }

  /** The most frequent ones of a group; of equal counts the alphabetically earlier. */
  top(attribute: string, group: keyof GroupCounts, limit: number): CountedValue[] {
    return [...this.#attribute(attribute).values.values()]
      .filter((each) => each[group] > 0)
      .sort((a, b) => b[group] - a[group] || compareText(labelText(a.value), labelText(b.value)))
      .slice(0, limit);
  }

  #attribute(name: string): Attribute {
    let known = this.#attributes.get(name);
    if (known === undefined) {
      known = { total: { baseline: 0, selection: 0 }, values: new Map() };
      this.#attributes.set(name, known);
    }
    return known;
  }
}

function addTo(target: GroupCounts, { baseline, selection }: GroupCounts): void {
  target.baseline += baseline;
  target.selection += selection;
}
