const startedMs = performance.now();

/** A line on standard error, so that standard output holds results only. */
export function progress(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stderr.write(`[${seconds.padStart(6)} s] ${text}\n`);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
