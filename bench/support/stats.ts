/** Of several runs: the middle one, and how far the others lie. */
export type Summary = {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
};

export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
    runs: sorted.length,
  };
}

/** The value that a share `q` of `sorted` does not exceed (nearest rank); NaN when it is empty. */
export function quantile(sorted: readonly number[], q: number): number {
  const rank = Math.max(1, Math.ceil(q * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
