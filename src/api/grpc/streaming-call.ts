import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { isPintailError } from "../../errors.ts";
import { mapError } from "../../server/error-map.ts";
import { readTenantsOfMetadata, tenantHeaderValues } from "../../server/tenant.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { QueryRouteParts } from "../http/route-context.ts";

/** Peers bound the size of all trailers, often to 8 KiB. */
const MAX_MESSAGE_CHARS = 1024;

/** Finds the tenants, then gives what `answer` gives; errors become gRPC's. */
export async function* streamingCall<Message>(
  { tenantRules, log }: Pick<QueryRouteParts, "tenantRules" | "log">,
  context: HandlerContext,
  answer: (tenants: readonly string[], signal: AbortSignal) => AsyncIterable<Message>,
  answerCode: (error: unknown) => Code = mappedCode,
): AsyncGenerator<Message, void, void> {
  let codeOf = mappedCode;
  try {
    const values = tenantHeaderValues(context.requestHeader);
    const tenants = readTenantsOfMetadata(values, tenantRules);
    codeOf = answerCode;
    yield* answer(tenants, context.signal);
  } catch (error) {
    throw toConnectError(error, context.signal, codeOf(error), log);
  }
}

/** The same for a method with one answer. */
export async function unaryCall<Message>(
  parts: Pick<QueryRouteParts, "tenantRules" | "log">,
  context: HandlerContext,
  answer: (tenants: readonly string[], signal: AbortSignal) => Promise<Message>,
): Promise<Message> {
  const call = streamingCall(parts, context, async function* (tenants, signal) {
    yield await answer(tenants, signal);
  });
  for await (const message of call) return message;
  throw new Error("a call without an answer throws");
}

/** Codes of Connect are those of gRPC. */
export function mappedCode(error: unknown): Code {
  return mapError(error).status.rpc || Code.Unknown;
}

function toConnectError(
  error: unknown,
  signal: AbortSignal,
  code: Code,
  log: Logger,
): ConnectError {
  // The reason knows a passed deadline from a client that went away.
  if (signal.aborted && isPintailError(error, "canceled")) {
    return ConnectError.from(signal.reason, Code.Canceled);
  }
  const { message, unexpected } = mapError(error);
  if (unexpected) log.error("request failed", { error });
  return new ConnectError(message.slice(0, MAX_MESSAGE_CHARS).toWellFormed(), code);
}
