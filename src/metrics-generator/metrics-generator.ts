import { Budget } from "./budget.ts";
import type { FromGenerator, ToGenerator } from "./messages.ts";
import type { TenantGeneratorSettings } from "./settings.ts";
import {
  type ReceivedSpans,
  type SharedSettings,
  type TenantFigures,
  TenantMetrics,
} from "./tenant-metrics.ts";

export type MetricsGeneratorParts = {
  readonly send: (message: FromGenerator, transfer: readonly ArrayBuffer[]) => void;
  readonly nowMs: () => number;
  /** Lets what else waits for the thread come first. */
  readonly pause: () => Promise<void>;
};

/** Tenants are the senders' choice. Spans of more than these are not counted. */
const MAX_TENANTS = 10_000;
/** Of all tenants, also where a tenant's own limit is none: 210 bytes of memory each. */
const MAX_SERIES = 1_000_000;
/** Likewise; 670 bytes each. */
const MAX_EDGES = 200_000;
/** Figures of thousands of tenants are not copied each second. */
const FIGURES_INTERVAL_MS = 5000;

/** Derives metrics from the spans of all tenants, in the thread that has decoded them. */
export class MetricsGenerator {
  readonly #parts: MetricsGeneratorParts;
  readonly #shared: SharedSettings;
  readonly #settings = new Map<number, TenantGeneratorSettings>();
  readonly #tenants = new Map<string, TenantMetrics>();
  /** Tenants in the last figures. */
  #told = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  readonly #budgets = { series: new Budget(MAX_SERIES), edges: new Budget(MAX_EDGES) };
  #ticking: Promise<void> | undefined;

  constructor(parts: MetricsGeneratorParts, shared: SharedSettings) {
    this.#parts = parts;
    this.#shared = shared;
  }

  receive(message: ToGenerator): void {
    switch (message.type) {
      case "generator-settings":
        this.#settings.set(message.id, message.settings);
        return;
      case "generator-flush":
        void this.#flush();
        return;
      default:
        message satisfies never;
    }
  }

  /**
   * `settingsId`: 0 for none. With pauses, so that requests need not wait for all of it; the spans
   * must stay till then. Never rejects: they are stored whatever becomes of their metrics.
   */
  async observe(tenant: string, settingsId: number, spans: ReceivedSpans): Promise<void> {
    const settings = this.#settings.get(settingsId);
    if (settings === undefined) {
      this.#forget(tenant);
      return;
    }
    try {
      const metrics = this.#tenantOf(tenant, settings);
      for (const _ of metrics?.observe(spans, this.#parts.nowMs()) ?? []) await this.#parts.pause();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Sends what is due. To be called about once a second; does nothing while the last one goes on. */
  async tick(): Promise<void> {
    if (this.#ticking === undefined) {
      this.#ticking = this.#sendAll(false).finally(() => {
        this.#ticking = undefined;
      });
    }
    await this.#ticking;
  }

  async #flush(): Promise<void> {
    await this.#ticking;
    await this.#sendAll(true);
    this.#parts.send({ type: "generator-flushed" }, []);
  }

  async #sendAll(final: boolean): Promise<void> {
    const { send, nowMs, pause } = this.#parts;
    for (const [tenant, metrics] of this.#tenants) {
      try {
        for (const request of metrics.tick(nowMs(), final)) {
          send({ type: "generator-samples", tenant, ...request }, [request.body]);
          await pause();
        }
      } catch (error) {
        this.#failed(error);
      }
    }
    if (!final && nowMs() - this.#toldMs < FIGURES_INTERVAL_MS) return;
    this.#toldMs = nowMs();
    this.#tellFigures();
    for (const [tenant, metrics] of this.#tenants) {
      const isIdle = nowMs() - metrics.updatedMs > this.#shared.staleMs;
      if (isIdle && !metrics.hasSeries) this.#forget(tenant);
    }
  }

  #tellFigures(): void {
    const tenants = new Map<string, TenantFigures>();
    for (const [tenant, { figures }] of this.#tenants) tenants.set(tenant, figures);
    // Once more when there are none any longer.
    if (tenants.size + this.#told > 0) this.#parts.send({ type: "generator-figures", tenants }, []);
    this.#told = tenants.size;
  }

  /** Undefined when there are too many. With other settings a tenant's series begin anew. */
  #tenantOf(tenant: string, settings: TenantGeneratorSettings): TenantMetrics | undefined {
    const known = this.#tenants.get(tenant);
    if (known?.settings === settings) return known;
    if (known === undefined && this.#tenants.size >= MAX_TENANTS) return undefined;
    known?.close();
    const parts = { shared: this.#shared, budgets: this.#budgets };
    const made = new TenantMetrics(tenant, settings, parts, this.#parts.nowMs());
    this.#tenants.set(tenant, made);
    return made;
  }

  #forget(tenant: string): void {
    this.#tenants.get(tenant)?.close();
    this.#tenants.delete(tenant);
  }

  #failed(error: unknown): void {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#parts.send({ type: "generator-failed", message }, []);
  }
}
