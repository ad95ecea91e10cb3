/**
 * What `promise` gives, or undefined as soon as `signal` is aborted; what the promise does after that
 * is nobody's concern. Nothing stays behind at a signal that lives on.
 */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    if (signal.aborted) end();
    signal.addEventListener("abort", end);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}
