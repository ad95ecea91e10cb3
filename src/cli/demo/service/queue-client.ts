import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { CallError, send } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

export type Message = {
  readonly id: string;
  /** Trace context of the sender. */
  readonly headers: Readonly<Record<string, string>>;
  readonly sentUnixMs: number;
  readonly body: unknown;
};

const POLL_TIMEOUT_MS = 10_000;
const tracer = trace.getTracer("shop-queue-client", "0.9.0");

/** Appends a message in a PRODUCER span; the context rides in the message, not in the request. */
export async function sendMessage(
  settings: ServiceSettings,
  topic: string,
  id: string,
  body: unknown,
): Promise<void> {
  const url = new URL(`/topics/${topic}`, settings.peer("broker"));
  await tracer.startActiveSpan(
    `send ${topic}`,
    {
      kind: SpanKind.PRODUCER,
      attributes: {
        "messaging.system": "shopqueue",
        "messaging.destination.name": topic,
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.message.id": id,
        "server.address": url.hostname,
        "server.port": Number(url.port),
      },
    },
    async (span) => {
      try {
        const headers: Record<string, string> = {};
        propagation.inject(context.active(), headers);
        const message: Message = { id, headers, sentUnixMs: Date.now(), body };
        const answer = await send(url, "POST", message);
        if (answer.status !== 202) throw new CallError(`the broker refused: ${answer.status}`);
      } catch (error) {
        span.recordException(error as Error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
        throw error;
      } finally {
        span.end();
      }
    },
  );
}

/** Waits for messages; an empty list when none came in time. Outside any trace. */
export async function receiveMessages(
  settings: ServiceSettings,
  topic: string,
  max: number,
): Promise<readonly Message[]> {
  const url = new URL(`/topics/${topic}?max=${max}`, settings.peer("broker"));
  const answer = await send(url, "GET", undefined, POLL_TIMEOUT_MS);
  return (answer.body as { messages: Message[] }).messages;
}
