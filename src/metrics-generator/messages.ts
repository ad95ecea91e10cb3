import type { WriteRequestBody } from "./registry/write-request.ts";
import type { TenantGeneratorSettings } from "./settings.ts";
import type { TenantFigures } from "./tenant-metrics.ts";

/** From the main thread to the one that has the spans. */
export type ToGenerator =
  /** What records with this number in them are to be treated as; 0 is never given: nothing is derived. */
  | {
      readonly type: "generator-settings";
      readonly id: number;
      readonly settings: TenantGeneratorSettings;
    }
  /** All samples shall be sent now. */
  | { readonly type: "generator-flush" };

export type FromGenerator =
  | ({ readonly type: "generator-samples"; readonly tenant: string } & WriteRequestBody)
  | {
      readonly type: "generator-figures";
      readonly tenants: ReadonlyMap<string, TenantFigures>;
    }
  | { readonly type: "generator-failed"; readonly message: string }
  | { readonly type: "generator-flushed" };

export function isFromGenerator(message: { readonly type: string }): message is FromGenerator {
  return message.type.startsWith("generator-");
}

export function isToGenerator(message: { readonly type: string }): message is ToGenerator {
  return message.type.startsWith("generator-");
}
