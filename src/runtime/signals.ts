import process from "node:process";

/**
 * Calls `stop` once at the first SIGTERM or SIGINT. A second signal ends the process at once with
 * status 130, for the operator who will not wait. Returns a function that removes the handlers.
 */
export function onStopSignal(stop: (signal: string) => void): () => void {
  let stopping = false;
  const handler = (signal: string) => {
    if (stopping) return process.exit(130);
    stopping = true;
    stop(signal);
  };
  const names = ["SIGTERM", "SIGINT"] as const;
  for (const name of names) process.on(name, handler);
  return () => {
    for (const name of names) process.off(name, handler);
  };
}
