/** Spans whose value lies in `(2^(exponent - 1), 2^exponent]`. */
export type Log2Bucket = { readonly exponent: number; readonly count: number };

/**
 * The value below which the share `quantile` of the spans lies, interpolated on the logarithm
 * within one bucket; 0 without spans. `buckets` ascend. Source: Tempo's `Log2Quantile`, as observed.
 */
export function log2Quantile(quantile: number, buckets: readonly Log2Bucket[]): number {
  const filled = buckets.filter(({ count }) => count > 0);
  const all = filled.reduce((sum, { count }) => sum + count, 0);
  if (all === 0) return 0;
  const wanted = Math.max(1, Math.ceil(quantile * all));
  let taken = 0;
  let before: Log2Bucket | undefined;
  for (const bucket of filled) {
    if (taken + bucket.count > wanted) {
      const share = (wanted - taken) / bucket.count;
      const low = before?.exponent ?? bucket.exponent - 1;
      return 2 ** (low + (bucket.exponent - low) * share);
    }
    taken += bucket.count;
    if (taken === wanted) return 2 ** bucket.exponent;
    before = bucket;
  }
  return 2 ** filled.at(-1)!.exponent;
}
