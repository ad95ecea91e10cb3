import { isNull, type YamlNode } from "./yaml-tree.ts";

/** A configuration value as it is shown: durations and sizes stay as they were written. */
export type ConfigValue =
  | null
  | string
  | number
  | boolean
  | readonly ConfigValue[]
  | { readonly [key: string]: ConfigValue };

const TRUE = /^(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$/;
const FLOAT = /^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$/;

/** YAML 1.1 booleans. */
export function parseYamlBool(text: string): boolean | undefined {
  if (TRUE.test(text)) return true;
  return FALSE.test(text) ? false : undefined;
}

/** YAML 1.1 integers (`5_000_000`, `0x1f`, `0777`) and integral floats (`5e6`), if exact. */
export function parseYamlInt(text: string): number | undefined {
  if (INTEGER.test(text)) {
    const negative = text.startsWith("-");
    const digits = text.replace(/^[-+]/, "").replaceAll("_", "");
    const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
    const value = Number(octal) * (negative ? -1 : 1);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const value = parseYamlFloat(text);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

export function parseYamlFloat(text: string): number | undefined {
  if (!FLOAT.test(text)) return undefined;
  const value = Number(text.replaceAll("_", ""));
  return Number.isFinite(value) ? value : undefined;
}

/** A whole subtree by YAML 1.1's rules for scalars that stand under no known type. */
export function plainValue(node: YamlNode): ConfigValue {
  switch (node.kind) {
    case "scalar":
      return isNull(node) ? null : node.quoted ? node.text : plainScalar(node.text);
    case "list":
      return node.items.map(plainValue);
    case "map":
      // `fromEntries` defines properties, so a key named `__proto__` is only a key.
      return Object.fromEntries([...node.entries].map(([k, e]) => [k, plainValue(e.value)]));
    default:
      return node satisfies never;
  }
}

/** `y` and `n` alone stay strings: nobody means a boolean by them in an untyped place. */
export function plainScalar(text: string): ConfigValue {
  if (text.length > 1) {
    const bool = parseYamlBool(text);
    if (bool !== undefined) return bool;
  }
  return parseYamlInt(text) ?? parseYamlFloat(text) ?? text;
}
