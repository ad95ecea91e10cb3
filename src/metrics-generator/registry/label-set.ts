export type Label = readonly [name: string, value: string];

export type LabelBounds = { readonly maxNameBytes: number; readonly maxValueBytes: number };

/** Labels of one series: sorted by name, each name once, no value empty. */
export type LabelSet = {
  /** Equal for equal labels only. */
  readonly key: string;
  readonly labels: readonly Label[];
};

/** Of labels with one name the last is taken, also when its value is empty and it falls away. */
export function labelSet(pairs: Iterable<Label>, bounds: LabelBounds): LabelSet {
  const byName = new Map<string, string>();
  for (const [name, value] of pairs) byName.set(cut(name, bounds.maxNameBytes), value);
  const labels: Label[] = [];
  for (const [name, value] of byName) {
    if (name !== "" && value !== "") labels.push([name, cut(value, bounds.maxValueBytes)]);
  }
  labels.sort(byNameOrder);
  return { key: keyOf(labels), labels };
}

/** The labels with those of `over` in place of others of the same names. */
export function overlaid(
  labels: readonly Label[],
  over: ReadonlyMap<string, string>,
): readonly Label[] {
  if (over.size === 0) return labels;
  const kept = labels.filter(([name]) => !over.has(name));
  return [...kept, ...over].filter(([, value]) => value !== "").sort(byNameOrder);
}

/** Names are ASCII as a rule; others are in the order of their UTF-16 units. */
function byNameOrder([a]: Label, [b]: Label): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function keyOf(labels: readonly Label[]): string {
  let key = "";
  // Lengths before texts, so that no text can look like two.
  for (const [name, value] of labels) key += `${name.length}:${value.length}:${name}${value}`;
  return key;
}

/** To so many bytes of UTF-8 at most, and no part of a character; 0 = no bound. */
function cut(text: string, maxBytes: number): string {
  if (maxBytes <= 0 || text.length * 3 <= maxBytes) return text;
  const { read } = encoder.encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}

const encoder = new TextEncoder();

/** A name of Prometheus: whatever is no letter, digit or underscore becomes an underscore. */
export function sanitizedName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/gu, "_");
}
