import { ConfigError } from "./config-error.ts";
import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { FileGenerators, type Generators, identityOf } from "./file-generators.ts";
import { keyTree } from "./key-spec.ts";
import { scopedOverrideKeys } from "./keys/overrides.ts";
import { modernizeOverrides } from "./legacy-overrides.ts";
import { BURST, type GlobalLimits, ownLimits, RATE } from "./limits.ts";
import { type ConfigValue, plainValue } from "./scalar.ts";
import type { TenantLimits } from "./settings.ts";
import type { GeneratorSource } from "./tenant-generator.ts";
import { refuseUnsupported, warnUnsupported } from "./treatments.ts";
import { isNull, parseYaml, type YamlNode } from "./yaml-tree.ts";

export type OverrideFile = {
  readonly limits: ReadonlyMap<string, TenantLimits>;
  /** The tenants' entries as they were written; may hold secrets. */
  readonly entries: ReadonlyMap<string, ConfigValue>;
  readonly warnings: readonly string[];
  readonly generators: Generators;
};

export type OverrideContext = {
  /** Named in errors. */
  readonly path: string;
  readonly defaults: TenantLimits;
  readonly globals: GlobalLimits;
  /** What the metrics-generator has for all; undefined when it is off. */
  readonly generator: GeneratorSource | undefined;
  /** Environment expansion, when it is on. Throws for text that does not expand. */
  readonly expand: (text: string) => string;
};

const BOUNDS = { maxChars: 16 * 1024 * 1024, maxNodes: 1_000_000 };
const MAX_TENANTS = 100_000;
const MAX_NAMED = 10;

const tree = keyTree(scopedOverrideKeys);
const scopedNames: ReadonlySet<string> = new Set(tree.children.keys());

/**
 * Parses the per-tenant file: one root key `overrides`, below it tenants and `*`. Legacy flat
 * entries are accepted with a warning. Of the generators of `before`, those that are still asked
 * for stay the same objects. Throws `ConfigError` with lines.
 */
export function parseOverrides(
  text: string,
  context: OverrideContext,
  before: Generators,
): OverrideFile {
  try {
    return parse(context.expand(text), context, before);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`failed to load per-tenant overrides ${context.path}: ${reason}`, {
      cause,
    });
  }
}

function parse(text: string, context: OverrideContext, before: Generators): OverrideFile {
  const generators = new FileGenerators(context.generator, before);
  const limits = new Map<string, TenantLimits>();
  const entries = new Map<string, ConfigValue>();
  const warnings: string[] = [];
  const errors: string[] = [];
  const withoutRate: string[] = [];
  const legacy: string[] = [];
  const unsupported = new Set<string>();
  for (const [tenant, node] of tenantsOf(parseYaml(text, BOUNDS))) {
    const { block, legacyKeys } = modernizeOverrides(node, scopedNames, "");
    if (legacyKeys.length > 0) legacy.push(tenant);
    const decoded = decodeBlock(block, tree, `overrides.${tenant}`);
    errors.push(...decoded.errors);
    errors.push(...refuseUnsupported(decoded.keys, `overrides.${tenant}.`));
    for (const name of warnUnsupported(decoded.keys, "overrides.<tenant>.")) unsupported.add(name);
    const values = new ConfigValues(scopedOverrideKeys, decoded.keys);
    if (!values.isSet(RATE) || !values.isSet(BURST)) withoutRate.push(tenant);
    if (errors.length > 0) continue;
    const generator = generators.of(tenant, values, (problem) => errors.push(problem));
    limits.set(tenant, ownLimits(values, context.globals, context.defaults, generator));
    entries.set(tenant, plainValue(block));
  }
  if (errors.length > 0) {
    throw new Error(`yaml: unmarshal errors:\n  ${errors.slice(0, 20).join("\n  ")}`);
  }
  if (legacy.length > 0) warnings.push(legacyWarning(`tenants ${some(legacy)}`));
  if (unsupported.size > 0) {
    warnings.push(`${context.path}: accepted but without effect: ${[...unsupported].join(", ")}`);
  }
  if (withoutRate.length > 0) {
    warnings.push(
      `${context.path}: ${RATE} or ${BURST} is not set for ${some(withoutRate)}: the defaults apply`,
    );
  }
  warnings.push(...generators.warnings(context.path, some));
  return { limits, entries, warnings, generators: generators.all() };
}

export function legacyWarning(where: string): string {
  const text = "DEPRECATED: Legacy (flat, unscoped) overrides format";
  return `${text} is used for ${where}; it is read as the scoped format`;
}

/** A tenant without a value has no entry. */
function tenantsOf(root: YamlNode): [string, YamlNode][] {
  if (isNull(root)) return [];
  if (root.kind !== "map") throw new Error(`line ${root.line}: the root must be a map`);
  for (const [name, { line }] of root.entries) {
    if (name !== "overrides")
      throw new Error(`line ${line}: field ${name} not found in type config`);
  }
  const overrides = root.entries.get("overrides")?.value;
  if (overrides === undefined || isNull(overrides)) return [];
  if (overrides.kind !== "map") throw new Error(`line ${overrides.line}: overrides must be a map`);
  if (overrides.entries.size > MAX_TENANTS) {
    throw new Error(`${overrides.entries.size} tenants, the limit is ${MAX_TENANTS}`);
  }
  return [...overrides.entries]
    .filter(([, { value }]) => !isNull(value))
    .map(([tenant, { value }]) => [tenant, value]);
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).join(", ");
  return names.length > MAX_NAMED ? `${shown} and ${names.length - MAX_NAMED} more` : shown;
}

/**
 * The limits of each tenant: its own entry, else that of `*`, else the defaults, without merging.
 * Readers hold no copy, so a reload reaches the next request.
 */
export class TenantOverrides {
  readonly #context: OverrideContext;
  #text: string | undefined;
  #file: OverrideFile = {
    limits: new Map(),
    entries: new Map(),
    warnings: [],
    generators: new Map(),
  };

  constructor(context: OverrideContext) {
    this.#context = context;
  }

  limitsFor(tenant: string): TenantLimits {
    const { limits } = this.#file;
    return limits.get(tenant) ?? limits.get("*") ?? this.#context.defaults;
  }

  /**
   * Takes the file's text and returns its warnings, none when it is the text of before: the file is
   * read every few seconds. Throws `ConfigError` and keeps the values of before when it is broken.
   */
  reload(text: string): readonly string[] {
    if (text === this.#text) return [];
    const { generator } = this.#context.defaults;
    const before = new Map(this.#file.generators);
    if (generator !== undefined) before.set(identityOf(generator), generator);
    this.#file = parseOverrides(text, this.#context, before);
    this.#text = text;
    return this.#file.warnings;
  }

  /** Tenants that have an entry of their own, `*` included, in the file's order. */
  tenants(): readonly string[] {
    return [...this.#file.entries.keys()];
  }

  /** A tenant's own entry as it was written, or undefined. May hold secrets: mask before showing. */
  entry(tenant: string): ConfigValue | undefined {
    return this.#file.entries.get(tenant);
  }
}
