import type { WriteBatch } from "../drivers/remote-write/batch-queue.ts";
import type { FromGenerator, ToGenerator } from "./messages.ts";
import type { TenantGeneratorSettings } from "./settings.ts";
import type { TenantFigures } from "./tenant-metrics.ts";

/** A request on its way to Prometheus. */
export type TenantSamples = Omit<WriteBatch, "headers">;

export type GeneratorClientParts = {
  readonly post: (message: ToGenerator) => void;
  /** Undefined: nothing is derived. The same object for as long as nothing has changed. */
  readonly settingsOf: (tenant: string) => TenantGeneratorSettings | undefined;
  readonly onSamples: (samples: TenantSamples) => void;
  readonly onFigures: (tenants: ReadonlyMap<string, TenantFigures>) => void;
  readonly onFailure: (message: string) => void;
};

/** The generator, as the thread sees it that takes requests. */
export class GeneratorClient {
  readonly #parts: GeneratorClientParts;
  /** Numbers of settings that the generator knows, by what they say: many tenants share them. */
  readonly #ids = new Map<string, number>();
  readonly #known = new WeakMap<TenantGeneratorSettings, number>();
  #onFlushed: (() => void) | undefined;

  constructor(parts: GeneratorClientParts) {
    this.#parts = parts;
  }

  /** What a record of the tenant is to carry; the generator has been told what it means. */
  settingsId(tenant: string): number {
    const settings = this.#parts.settingsOf(tenant);
    if (settings === undefined) return 0;
    const known = this.#known.get(settings);
    if (known !== undefined) return known;
    const content = JSON.stringify(settings, (_, value) =>
      typeof value === "bigint" ? `${value}n` : value,
    );
    let id = this.#ids.get(content);
    if (id === undefined) {
      id = this.#ids.size + 1;
      this.#ids.set(content, id);
      this.#parts.post({ type: "generator-settings", id, settings });
    }
    this.#known.set(settings, id);
    return id;
  }

  receive(message: FromGenerator): void {
    switch (message.type) {
      case "generator-samples": {
        const { tenant, body, sampleCount, exemplarCount } = message;
        const samples = { tenant, body: new Uint8Array(body), sampleCount, exemplarCount };
        this.#parts.onSamples(samples);
        return;
      }
      case "generator-figures":
        this.#parts.onFigures(message.tenants);
        return;
      case "generator-failed":
        this.#parts.onFailure(message.message);
        return;
      case "generator-flushed":
        this.#onFlushed?.();
        return;
      default:
        message satisfies never;
    }
  }

  /** Resolves when all samples of now have come. */
  async flush(): Promise<void> {
    if (this.#ids.size === 0) return;
    const flushed = new Promise<void>((resolve) => {
      this.#onFlushed = resolve;
    });
    this.#parts.post({ type: "generator-flush" });
    await flushed;
  }
}
