import { sameValue } from "./config-values.ts";
import type { KeySpec } from "./key-spec.ts";
import type { ConfigValue } from "./scalar.ts";

export type ConfigObject = { readonly [key: string]: ConfigValue };

/** The tables' defaults as the file would have them. */
export function defaultsTree(specs: readonly KeySpec[]): ConfigObject {
  return treeOf(
    specs.flatMap((spec) => (spec.default === undefined ? [] : [[spec.path, spec.default]])),
  );
}

/** The defaults with what is set over them. `later` wins over `set`. */
export function effectiveTree(
  specs: readonly KeySpec[],
  set: ReadonlyMap<string, { readonly value: ConfigValue }>,
  later: ReadonlyMap<string, ConfigValue>,
): ConfigObject {
  const values = new Map<string, ConfigValue>();
  for (const spec of specs) if (spec.default !== undefined) values.set(spec.path, spec.default);
  for (const [path, { value }] of set) values.set(path, value);
  for (const [path, value] of later) values.set(path, value);
  return treeOf([...values]);
}

/** What of `effective` differs from `defaults`; an empty object when nothing does. */
export function diffTree(effective: ConfigObject, defaults: ConfigObject): ConfigObject {
  const pairs: [string, ConfigValue][] = [];
  for (const [name, value] of Object.entries(effective)) {
    const base = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
    if (isObject(value) && isObject(base)) {
      const inner = diffTree(value, base);
      if (Object.keys(inner).length > 0) pairs.push([name, inner]);
    } else if (!sameValue(value, base)) {
      pairs.push([name, value]);
    }
  }
  return Object.fromEntries(pairs);
}

type Level = Map<string, Level | { readonly value: ConfigValue }>;

/** Maps, not objects, while building: a path may have a part named `__proto__`. */
function treeOf(pairs: readonly (readonly [string, ConfigValue])[]): ConfigObject {
  const root: Level = new Map();
  for (const [path, value] of pairs) {
    const parts = path.split(".");
    const last = parts.pop() ?? "";
    let level = root;
    for (const part of parts) {
      const child = level.get(part);
      const next: Level = child instanceof Map ? child : new Map();
      level.set(part, next);
      level = next;
    }
    level.set(last, { value });
  }
  return toObject(root);
}

function toObject(level: Level): ConfigObject {
  return Object.fromEntries(
    [...level].map(([name, child]) => [name, child instanceof Map ? toObject(child) : child.value]),
  );
}

function isObject(value: ConfigValue | undefined): value is ConfigObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
