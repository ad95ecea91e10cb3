import type { GeneratorSettings, TenantGeneratorSettings } from "../metrics-generator/settings.ts";
import { ConfigValues } from "./config-values.ts";
import { scopedOverrideKeys } from "./keys/overrides.ts";
import { type Processors, readProcessors } from "./processors.ts";
import { readRemoteWrites } from "./remote-write.ts";
import { type GeneratorSource, tenantGenerator } from "./tenant-generator.ts";

export const GENERATOR_OFF =
  "no metrics_generator.storage.path configured, metrics generator will be disabled";
/** A mistake in each of many policies is told for some. */
const MAX_PROBLEMS = 20;
const PROCESSORS = "metrics_generator.processors";

export type GeneratorConfig = {
  /** Undefined: the generator is off. */
  readonly settings: GeneratorSettings | undefined;
  /** What tenants fall back to; undefined as `settings`. */
  readonly globals: GeneratorSource | undefined;
  /** Of tenants without overrides of their own. */
  readonly defaults: TenantGeneratorSettings | undefined;
  readonly warnings: readonly string[];
  /** Keys that are accepted without effect. */
  readonly unsupported: readonly string[];
};

/**
 * `metrics_generator` and what `overrides.defaults` say of it. A generator that is off reads
 * nothing. `readFile` is asked for files that are read once; `report` is told what is wrong.
 */
export function generatorConfig(
  values: ConfigValues,
  overrideDefaults: ConfigValues,
  readFile: (path: string) => string,
  report: (problem: string) => void,
): GeneratorConfig {
  const { known, unknown } = processorsOf(overrideDefaults);
  if (values.text("metrics_generator.storage.path") === "") {
    const asked = known.size + unknown.length > 0;
    return {
      settings: undefined,
      globals: undefined,
      defaults: undefined,
      warnings: asked ? [GENERATOR_OFF] : [],
      unsupported: [],
    };
  }
  // What is wrong with the global values is wrong once, whether or not the defaults have their own.
  const problems = new Set<string>();
  const collect = (problem: string) => problems.add(problem);
  const { endpoints, unsupported } = readRemoteWrites(
    values.decoded("metrics_generator.storage.remote_write")?.node,
    readFile,
    collect,
  );
  for (const path of ["registry.collection_interval", "registry.stale_duration"]) {
    if (values.durationMs(`metrics_generator.${path}`) === 0) {
      collect(`metrics_generator.${path} must be greater than 0`);
    }
  }
  const globals = { values, prefix: "" };
  const nothing = { values: new ConfigValues(scopedOverrideKeys, new Map()), prefix: "" };
  tenantGenerator(new Set(), nothing, globals, collect);
  const own = { values: overrideDefaults, prefix: "overrides.defaults." };
  const defaults = tenantGenerator(known, own, globals, collect);
  for (const problem of [...problems].slice(0, MAX_PROBLEMS)) report(problem);
  return {
    settings: { ...globalSettings(values), remoteWrite: endpoints },
    globals,
    defaults,
    warnings: unknown.length === 0 ? [] : [unknownProcessors(own.prefix, unknown.join(", "))],
    unsupported,
  };
}

export function processorsOf(overrides: ConfigValues): Processors {
  return readProcessors(overrides.decoded(PROCESSORS)?.node);
}

/** `prefix` is what stands before the key, with its dot. */
export function unknownProcessors(prefix: string, names: string): string {
  return `${prefix}${PROCESSORS} names unknown processors, which are ignored: ${names}`;
}

function globalSettings(values: ConfigValues): Omit<GeneratorSettings, "remoteWrite"> {
  const number = (name: string) => values.number(`metrics_generator.registry.${name}`);
  return {
    staleMs: values.durationMs("metrics_generator.registry.stale_duration"),
    externalLabels: values.map("metrics_generator.registry.external_labels"),
    tenantLabel: values.text("metrics_generator.registry.inject_tenant_id_as"),
    maxLabelNameBytes: number("max_label_name_length"),
    maxLabelValueBytes: number("max_label_value_length"),
    flushDeadlineMs: values.durationMs("metrics_generator.storage.remote_write_flush_deadline"),
    addOrgIdHeader: values.bool("metrics_generator.storage.remote_write_add_org_id_header"),
  };
}
