import type { DecodedKey } from "./decode.ts";
import { parseGoDuration, parsePrometheusDuration } from "./duration.ts";
import type { KeySpec } from "./key-spec.ts";
import type { ConfigValue } from "./scalar.ts";

/**
 * Typed access to the keys of one block: what is set, else the table's default. A path that the
 * table does not know, or a getter of another type, is a mistake of the code and throws.
 */
export class ConfigValues {
  readonly #specs: ReadonlyMap<string, KeySpec>;
  readonly #set: ReadonlyMap<string, DecodedKey>;

  constructor(specs: readonly KeySpec[], set: ReadonlyMap<string, DecodedKey>) {
    this.#specs = new Map(specs.map((spec) => [spec.path, spec]));
    this.#set = set;
  }

  isSet(path: string): boolean {
    this.#spec(path);
    return this.#set.has(path);
  }

  /** Whether the key or, for a block, anything in it is set. */
  hasAny(path: string): boolean {
    return [...this.#set.keys()].some((each) => each === path || each.startsWith(`${path}.`));
  }

  decoded(path: string): DecodedKey | undefined {
    this.#spec(path);
    return this.#set.get(path);
  }

  text(path: string): string {
    const value = this.value(path);
    if (typeof value !== "string") throw new Error(`key ${path} is no string`);
    return value;
  }

  number(path: string): number {
    const value = this.value(path);
    if (typeof value !== "number") throw new Error(`key ${path} is no number`);
    return value;
  }

  bool(path: string): boolean {
    const value = this.value(path);
    if (typeof value !== "boolean") throw new Error(`key ${path} is no boolean`);
    return value;
  }

  list(path: string): readonly string[] {
    const value = this.value(path);
    if (!Array.isArray(value)) throw new Error(`key ${path} is no list`);
    return value.map(String);
  }

  numbers(path: string): readonly number[] {
    const value = this.value(path);
    if (!Array.isArray(value)) throw new Error(`key ${path} is no list`);
    return value.map(Number);
  }

  /** Texts by name; empty when it is not set. */
  map(path: string): Readonly<Record<string, string>> {
    const value = this.value(path) ?? {};
    if (typeof value !== "object" || Array.isArray(value)) throw new Error(`key ${path} is no map`);
    return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]));
  }

  /** Milliseconds. */
  durationMs(path: string): number {
    const prometheus = this.#spec(path).type === "promDuration";
    const ms = (prometheus ? parsePrometheusDuration : parseGoDuration)(this.text(path));
    if (ms === undefined) throw new Error(`key ${path} is no duration`);
    return ms;
  }

  value(path: string): ConfigValue | undefined {
    const spec = this.#spec(path);
    const set = this.#set.get(path);
    return set === undefined ? spec.default : set.value;
  }

  #spec(path: string): KeySpec {
    const spec = this.#specs.get(path);
    if (spec === undefined) throw new Error(`no key table knows ${path}`);
    return spec;
  }
}

/**
 * The keys among `set` whose value asks for something: not the table's default, and not empty.
 * `0`, `0s` and `24h`, `1d` are the same duration.
 */
export function differingKeys(set: ReadonlyMap<string, DecodedKey>): (DecodedKey & {
  readonly path: string;
})[] {
  return [...set]
    .filter(([, { value, spec }]) => !isEmpty(value) && !sameValue(value, spec.default))
    .map(([path, decoded]) => ({ path, ...decoded }));
}

function isEmpty(value: ConfigValue): boolean {
  if (value === null || value === "") return true;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}

export function sameValue(a: ConfigValue | undefined, b: ConfigValue | undefined): boolean {
  if (JSON.stringify(a) === JSON.stringify(b)) return true;
  if (typeof a === "object" || typeof b === "object" || a === undefined || b === undefined) {
    return false;
  }
  const [left, right] = [parseGoDuration(String(a)), parseGoDuration(String(b))];
  return left !== undefined && left === right;
}
