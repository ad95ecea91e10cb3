import { setTimeout as sleep } from "node:timers/promises";
import {
  type Link,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { queryDatabase } from "./database-client.ts";
import { call } from "./http.ts";
import { type Message, receiveMessages } from "./queue-client.ts";
import type { ServiceSettings } from "./settings.ts";

const tracer = trace.getTracer("shipping-worker", "1.0.0");
const TOPIC = "orders";
const MAX_BATCH = 5;

/** Ships orders from the queue until `signal` aborts: a trace per batch, linked to the orders'. */
export async function work(settings: ServiceSettings, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const messages = await receiveMessages(settings, TOPIC, MAX_BATCH);
      if (messages.length > 0) await processBatch(settings, messages);
    } catch (error) {
      if (signal.aborted) return;
      console.error(`shipping-worker: ${(error as Error).message}`);
      await sleep(500);
    }
  }
}

async function processBatch(
  settings: ServiceSettings,
  messages: readonly Message[],
): Promise<void> {
  await tracer.startActiveSpan(
    `process ${TOPIC}`,
    {
      kind: SpanKind.CONSUMER,
      root: true,
      links: messages.flatMap(linkTo),
      attributes: {
        "messaging.system": "shopqueue",
        "messaging.destination.name": TOPIC,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "shipping",
        "messaging.batch.message_count": messages.length,
      },
    },
    async (span) => {
      for (const message of messages) await ship(settings, message);
      span.end();
    },
  );
}

function linkTo(message: Message): Link[] {
  const sender = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, message.headers));
  if (sender === undefined) return [];
  return [{ context: sender, attributes: { "messaging.message.id": message.id } }];
}

/** A parcel that cannot be shipped is reported on its span; the rest of the batch goes on. */
async function ship(settings: ServiceSettings, message: Message): Promise<void> {
  const { order, items } = message.body as { order: string; items: { product: string }[] };
  await tracer.startActiveSpan(
    "ship order",
    {
      attributes: {
        "shop.order.id": order,
        "messaging.message.id": message.id,
        "shop.queue.wait_ms": Date.now() - message.sentUnixMs,
      },
    },
    async (span) => {
      try {
        await call(settings.peer("inventory"), `/products/${items[0]?.product}`, {
          attributes: { "peer.service": "inventory" },
        });
        if (settings.chance(0.03)) throw new RangeError(`no carrier delivers order ${order}`);
        await queryDatabase(settings, {
          operation: "INSERT",
          collection: "shipments",
          text: "INSERT INTO shipments VALUES (?)",
          parameters: [order],
        });
        span.setStatus({ code: SpanStatusCode.OK });
      } catch (error) {
        span.recordException(error as Error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      } finally {
        span.end();
      }
    },
  );
}
