import { parseGoDuration, parsePrometheusDuration } from "./duration.ts";
import type { KeySpec, KeyTree } from "./key-spec.ts";
import { nearest } from "./nearest.ts";
import {
  type ConfigValue,
  parseYamlBool,
  parseYamlFloat,
  parseYamlInt,
  plainValue,
} from "./scalar.ts";
import { isNull, type YamlNode } from "./yaml-tree.ts";

export type DecodedKey = {
  readonly spec: KeySpec;
  readonly value: ConfigValue;
  /** 0 when the value comes from the command line or the environment. */
  readonly line: number;
  /** Undefined for the same reason. */
  readonly node: YamlNode | undefined;
};

export type DecodedBlock = {
  /** By full path, only what is set to something else than null. */
  readonly keys: ReadonlyMap<string, DecodedKey>;
  /** `line N: …`, for keys that nothing knows and values of the wrong type. */
  readonly errors: readonly string[];
};

const MAX_ERRORS = 20;

/**
 * Reads a block by its key table. Empty blocks and null values are fine everywhere and set nothing.
 * `where` names the block in errors.
 */
export function decodeBlock(node: YamlNode, tree: KeyTree, where: string): DecodedBlock {
  const keys = new Map<string, DecodedKey>();
  const errors: string[] = [];
  walk(node, tree, "");
  return { keys, errors };

  function walk(block: YamlNode, level: KeyTree, path: string): void {
    if (isNull(block)) return;
    const name = [where, path].filter((part) => part !== "").join(".") || "config";
    if (block.kind !== "map") {
      report(block.line, `cannot unmarshal ${describe(block)} into ${name}`);
      return;
    }
    for (const [field, entry] of block.entries) {
      const child = level.children.get(field) ?? level.children.get("*");
      if (child === undefined || field === "*") {
        const guess = nearest(field, level.children.keys());
        const hint = guess === undefined ? "" : ` (did you mean ${guess}?)`;
        report(entry.line, `field ${shorten(field)} not found in type ${name}${hint}`);
        continue;
      }
      const childPath = path === "" ? field : `${path}.${field}`;
      if (child.spec === undefined) walk(entry.value, child, childPath);
      else leaf(entry.value, child.spec, childPath, entry.line);
    }
  }

  function leaf(value: YamlNode, spec: KeySpec, path: string, line: number): void {
    if (isNull(value)) return;
    const decoded = decodeValue(value, spec);
    if ("error" in decoded) report(value.line || line, `${decoded.error} (${join(where, path)})`);
    else keys.set(path, { spec, value: decoded.value, line, node: value });
  }

  function report(line: number, message: string): void {
    if (errors.length < MAX_ERRORS) errors.push(`line ${line}: ${message}`);
  }
}

type Decoded = { readonly value: ConfigValue } | { readonly error: string };

/** A value by its key's type; scalars are read from their own text. */
export function decodeValue(node: YamlNode, spec: KeySpec): Decoded {
  if (spec.type === "any") return { value: plainValue(node) };
  if (spec.type === "list") return decodeList(node);
  if (spec.type === "floats") return decodeFloats(node);
  if (spec.type === "map") return decodeMap(node);
  if (node.kind !== "scalar") return wrongType(node, spec.type);
  return decodeText(node.text, spec);
}

/** The text of a scalar, a flag or an environment variable. */
export function decodeText(text: string, spec: KeySpec): Decoded {
  switch (spec.type) {
    case "string":
      if (spec.oneOf !== undefined && !spec.oneOf.includes(text)) {
        const allowed = spec.oneOf.map((each) => JSON.stringify(each)).join(", ");
        return { error: `${quote(text)} is not one of ${allowed}` };
      }
      return { value: text };
    case "int": {
      const value = parseYamlInt(text);
      if (value === undefined) return cannot(text, "int");
      if (value < 0 || value > (spec.max ?? Number.MAX_SAFE_INTEGER)) {
        return { error: `${text} is not between 0 and ${spec.max ?? Number.MAX_SAFE_INTEGER}` };
      }
      return { value };
    }
    case "float": {
      const value = parseYamlFloat(text);
      return value === undefined ? cannot(text, "float64") : { value };
    }
    case "bool": {
      const value = parseYamlBool(text);
      return value === undefined ? cannot(text, "bool") : { value };
    }
    case "goDuration":
      return parseGoDuration(text) === undefined ? badDuration(text) : { value: text };
    case "promDuration":
      return parsePrometheusDuration(text) === undefined ? badDuration(text) : { value: text };
    case "list":
      return { value: text === "" ? [] : text.split(",") };
    case "floats":
    case "map":
    case "any":
      return { value: text };
    default:
      return spec.type satisfies never;
  }
}

function decodeList(node: YamlNode): Decoded {
  const items = node.kind === "list" ? node.items : [node];
  const texts: string[] = [];
  for (const item of items) {
    if (item.kind !== "scalar") return wrongType(item, "string");
    texts.push(item.text);
  }
  return { value: texts };
}

function decodeFloats(node: YamlNode): Decoded {
  const items = node.kind === "list" ? node.items : [node];
  const numbers: number[] = [];
  for (const item of items) {
    const value = item.kind === "scalar" ? parseYamlFloat(item.text) : undefined;
    if (value === undefined) return wrongType(item, "float64");
    numbers.push(value);
  }
  return { value: numbers };
}

function decodeMap(node: YamlNode): Decoded {
  if (node.kind !== "map") return wrongType(node, "map[string]string");
  const pairs: [string, string][] = [];
  for (const [field, { value }] of node.entries) {
    if (value.kind !== "scalar") return wrongType(value, "string");
    pairs.push([field, isNull(value) ? "" : value.text]);
  }
  return { value: Object.fromEntries(pairs) };
}

function wrongType(node: YamlNode, type: string): Decoded {
  return { error: `cannot unmarshal ${describe(node)} into ${type}` };
}

function cannot(text: string, type: string): Decoded {
  return { error: `cannot unmarshal !!str ${quote(text)} into ${type}` };
}

function badDuration(text: string): Decoded {
  return { error: `${quote(text)} is not a valid duration` };
}

function describe(node: YamlNode): string {
  if (node.kind === "scalar") return `!!str ${quote(node.text)}`;
  return node.kind === "list" ? "!!seq" : "!!map";
}

function quote(text: string): string {
  return `\`${shorten(text)}\``;
}

/** Values may be secrets or long: an error shows their beginning only. */
function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(".");
}
