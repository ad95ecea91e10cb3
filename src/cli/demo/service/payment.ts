import { setTimeout as sleep } from "node:timers/promises";
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Route } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

const tracer = trace.getTracer("payment", "3.0.0");
const CARDS = ["visa", "mastercard", "amex"] as const;

class CardDeclinedError extends Error {
  override readonly name = "CardDeclinedError";
}

export function paymentRoutes(settings: ServiceSettings): Route[] {
  return [
    {
      method: "POST",
      path: "/charge",
      async handle({ body }) {
        const { cents } = body as { cents: number };
        const card = CARDS[Math.floor(Math.random() * CARDS.length)]!;
        trace.getActiveSpan()?.setAttributes({
          "payment.amount_cents": cents,
          "payment.card.type": card,
          "payment.amount": cents / 100,
        });
        try {
          await authorize(settings, card, cents);
        } catch (error) {
          if (!(error instanceof CardDeclinedError)) throw error;
          return { status: 402, body: { error: error.message } };
        }
        return { status: 200, body: { authorization: crypto.randomUUID() } };
      },
    },
  ];
}

/** The bank, as seen from here: now and then slow, retried, or declining. */
async function authorize(settings: ServiceSettings, card: string, cents: number): Promise<void> {
  await tracer.startActiveSpan(
    "authorize card",
    {
      kind: SpanKind.CLIENT,
      attributes: { "rpc.system": "soap", "rpc.service": "BankGateway", "rpc.method": "Authorize" },
    },
    async (span) => {
      try {
        for (let attempt = 1; ; attempt++) {
          await sleep(settings.latencyMs(settings.chance(0.05) ? 900 : 25));
          if (!settings.chance(0.05)) break;
          span.addEvent("retry", { "retry.attempt": attempt, "retry.reason": "gateway busy" });
          if (attempt === 3) throw new Error("the bank's gateway is busy");
        }
        span.setAttribute("payment.risk.score", Math.round(Math.random() * 1000) / 1000);
        if (settings.chance(0.04)) throw new CardDeclinedError(`${card} declined ${cents} cents`);
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
