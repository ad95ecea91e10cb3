import { Code } from "@connectrpc/connect";
import { mappedCode } from "./streaming-call.ts";

/** Grafana looks for this text too. */
const TOO_LONG = /^metrics query time range exceeds the maximum allowed duration/;

/** Tempo's metrics methods give Unknown for whatever is wrong with a request but its length. */
export function metricsCode(error: unknown): Code {
  const code = mappedCode(error);
  const isTooLong = error instanceof Error && TOO_LONG.test(error.message);
  return code === Code.InvalidArgument && !isTooLong ? Code.Unknown : code;
}
