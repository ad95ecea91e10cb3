import { type ConfigValue, plainScalar } from "./scalar.ts";

export type KeyType =
  | "string"
  | "int"
  | "float"
  | "bool"
  | "goDuration"
  | "promDuration"
  /** Strings; a single scalar counts as a list of one. */
  | "list"
  /** Finite numbers; a single one counts as a list of one. */
  | "floats"
  /** String → string. */
  | "map"
  /** Any subtree, taken as it is. */
  | "any";

/**
 * What Pintail does with a key that Tempo knows. `W` and `R` act only on a value that differs from
 * Tempo's default: writing the default down asks for nothing.
 *
 * - `honoured`: it has Tempo's effect.
 * - `mapped`: it sets something near to it, see the key's doc line.
 * - `warned`: accepted without effect, and named in one warning.
 * - `ignored`: accepted silently, because it has no observable meaning in one process.
 * - `refused`: ignoring it would lose data, open access or change results.
 */
export type Treatment = "honoured" | "mapped" | "warned" | "ignored" | "refused";

export type KeySpec = {
  /**
   * Dotted, from the root of the file or of the block that is decoded alone. A last part `*` stands
   * for every other key of its block: for blocks that belong to a library and mean nothing here.
   */
  readonly path: string;
  readonly type: KeyType;
  readonly treatment: Treatment;
  readonly default: ConfigValue | undefined;
  readonly doc: string;
  readonly oneOf?: readonly string[] | undefined;
  readonly max?: number | undefined;
  /** Named in the warning instead of `path`, so that one feature is one name. */
  readonly warnAs?: string | undefined;
};

type Options = Pick<KeySpec, "oneOf" | "max" | "warnAs">;

/** A key whose value Pintail reads. `treatment` is `honoured` unless said otherwise. */
export function key(
  path: string,
  type: KeyType,
  defaultValue: ConfigValue | undefined,
  doc: string,
  options: Options & { readonly treatment?: Treatment } = {},
): KeySpec {
  return { path, type, treatment: "honoured", default: defaultValue, doc, ...options };
}

/**
 * Keys accepted silently, as `name` or `name=default` separated by blanks. Their values may be any
 * subtree, because a value that is not read needs no type.
 */
export function ignored(text: string): KeySpec[] {
  return words(text, "ignored", "");
}

/** Keys accepted without effect but named in the warning; the same form. */
export function warned(text: string, doc = "", warnAs?: string): KeySpec[] {
  return words(text, "warned", doc).map((spec) => ({ ...spec, warnAs }));
}

/** Keys that stop the start when they are set to something else than their default. */
export function refused(text: string, doc: string): KeySpec[] {
  return words(text, "refused", doc);
}

export function prefixed(prefix: string, specs: readonly KeySpec[]): KeySpec[] {
  return specs.map((spec) => ({ ...spec, path: `${prefix}.${spec.path}` }));
}

function words(text: string, treatment: Treatment, doc: string): KeySpec[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => {
      const [path = "", value] = word.split("=", 2);
      const defaultValue = value === undefined ? undefined : plainScalar(value);
      return { path, type: "any", treatment, default: defaultValue, doc };
    });
}

/** The specs as a tree, one level for each part of a path. */
export type KeyTree = {
  readonly spec: KeySpec | undefined;
  readonly children: ReadonlyMap<string, KeyTree>;
};

type MutableKeyTree = { spec: KeySpec | undefined; children: Map<string, MutableKeyTree> };

/** Throws when two specs claim the same place: the tables contradict each other. */
export function keyTree(specs: readonly KeySpec[]): KeyTree {
  const root: MutableKeyTree = { spec: undefined, children: new Map() };
  for (const spec of specs) {
    let node = root;
    for (const part of spec.path.split(".")) {
      if (node.spec !== undefined) throw new Error(`key ${spec.path} lies under a leaf key`);
      let child = node.children.get(part);
      if (child === undefined) {
        child = { spec: undefined, children: new Map() };
        node.children.set(part, child);
      }
      node = child;
    }
    if (node.spec !== undefined || node.children.size > 0) {
      throw new Error(`key ${spec.path} is defined twice`);
    }
    node.spec = spec;
  }
  return root;
}
