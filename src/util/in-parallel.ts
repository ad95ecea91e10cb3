/**
 * Works on the items in their order, `parallel` at a time. Rejects with the first failure, once
 * nothing is under way any more; what has not begun by then is left.
 */
export async function inParallel<T>(
  items: readonly T[],
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const workers = Array.from({ length: Math.min(parallel, items.length) }, async () => {
    while (next < items.length && failure === undefined) {
      try {
        await work(items[next++]!);
      } catch (error) {
        failure ??= { error };
      }
    }
  });
  await Promise.all(workers);
  if (failure !== undefined) throw failure.error;
}
