/** What a query tells while it runs: partial results, then once the whole. */
export type Update<Partial, Result> =
  | { readonly type: "partial"; readonly partial: Partial }
  | { readonly type: "result"; readonly result: Result };

export type UpdateRules<Partial> = {
  /** The partial result that stands for both, when the earlier was not sent yet. */
  readonly merge: (earlier: Partial, later: Partial) => Partial;
  /** False for one that only tells of progress. */
  readonly hasContent: (partial: Partial) => boolean;
  /** Aborts the query; so does whoever stops reading the updates. */
  readonly signal: AbortSignal;
};

/** As Tempo paces its streams. */
export const UPDATE_INTERVAL_MS = 500;

/**
 * Runs `work` and gives what it tells, at most every 500 ms, but the first news and the first news
 * with content at once. The query never waits for the reader: it holds a place that others want,
 * and what is not sent yet is merged, so that no more is kept than the result itself has.
 */
export async function* updates<Partial, Result>(
  work: (onPartial: (partial: Partial) => Promise<void>, signal: AbortSignal) => Promise<Result>,
  { merge, hasContent, signal }: UpdateRules<Partial>,
): AsyncGenerator<Update<Partial, Result>, void, void> {
  const over = new AbortController();
  let pending: Partial | undefined;
  let arrived = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dueMs = 0;
  let sentContent = false;
  let wake: (() => void) | undefined;

  const onPartial = async (partial: Partial): Promise<void> => {
    pending = pending === undefined ? partial : merge(pending, partial);
    arrived.resolve();
    // The first traces must not wait behind a message that only told of progress.
    if (!sentContent && hasContent(pending)) wake?.();
  };
  const untilDue = async (): Promise<undefined> => {
    await arrived.promise;
    const waitMs = dueMs - performance.now();
    const urgent = !sentContent && pending !== undefined && hasContent(pending);
    if (waitMs <= 0 || urgent) return;
    await new Promise<void>((resolve) => {
      wake = resolve;
      timer = setTimeout(resolve, waitMs);
    });
    clearTimeout(timer);
  };

  try {
    const done = work(onPartial, AbortSignal.any([signal, over.signal])).then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
    for (;;) {
      const outcome = await Promise.race([done, untilDue()]);
      if (outcome !== undefined) {
        if ("error" in outcome) throw outcome.error;
        yield { type: "result", result: outcome.result };
        return;
      }
      if (pending === undefined) continue;
      const partial = pending;
      pending = undefined;
      arrived = Promise.withResolvers();
      sentContent ||= hasContent(partial);
      yield { type: "partial", partial };
      dueMs = performance.now() + UPDATE_INTERVAL_MS;
    }
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
