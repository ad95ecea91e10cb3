import type { TenantGeneratorSettings } from "../metrics-generator/settings.ts";
import type { ConfigValues } from "./config-values.ts";
import { GENERATOR_OFF, processorsOf, unknownProcessors } from "./generator-settings.ts";
import { type GeneratorSource, tenantGenerator } from "./tenant-generator.ts";

/** Different settings by their `identityOf`. */
export type Generators = ReadonlyMap<string, TenantGeneratorSettings>;

/**
 * What one reading of the tenants' file says of the generator. Equal settings are one object, and
 * that of `before` if there was one: a processor whose settings are another object begins anew, and
 * its counters with it.
 */
export class FileGenerators {
  readonly #globals: GeneratorSource | undefined;
  readonly #before: Generators;
  readonly #all = new Map<string, TenantGeneratorSettings>();
  readonly #unknown = new Set<string>();
  #isAskedFor = false;

  /** Without `globals` the generator is off. */
  constructor(globals: GeneratorSource | undefined, before: Generators) {
    this.#globals = globals;
    this.#before = before;
  }

  of(
    tenant: string,
    values: ConfigValues,
    report: (problem: string) => void,
  ): TenantGeneratorSettings | undefined {
    const { known, unknown } = processorsOf(values);
    for (const name of unknown) this.#unknown.add(name);
    if (known.size + unknown.length > 0) this.#isAskedFor = true;
    if (this.#globals === undefined) return undefined;
    const own = { values, prefix: `overrides.${tenant}.` };
    const settings = tenantGenerator(known, own, this.#globals, report);
    return settings === undefined ? undefined : this.#same(settings);
  }

  all(): Generators {
    return this.#all;
  }

  /** `path` is the file's; `some` names the first of many. */
  warnings(path: string, some: (names: readonly string[]) => string): readonly string[] {
    if (this.#globals === undefined) return this.#isAskedFor ? [GENERATOR_OFF] : [];
    if (this.#unknown.size === 0) return [];
    return [`${path}: ${unknownProcessors("overrides.<tenant>.", some([...this.#unknown]))}`];
  }

  #same(settings: TenantGeneratorSettings): TenantGeneratorSettings {
    const identity = identityOf(settings);
    const first = this.#all.get(identity) ?? this.#before.get(identity) ?? settings;
    this.#all.set(identity, first);
    return first;
  }
}

/** Equal settings, and they only, have the same text. */
export function identityOf(settings: TenantGeneratorSettings): string {
  return JSON.stringify(settings, (_, value: unknown) =>
    typeof value === "bigint" ? { integer: String(value) } : value,
  );
}
