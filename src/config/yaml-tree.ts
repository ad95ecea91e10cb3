import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";

/**
 * A YAML text as a tree that keeps lines and the scalars' own text, because what a scalar means
 * depends on the key it stands under: `on` is true for a boolean and "on" for a string.
 */
export type YamlNode = YamlMap | YamlList | YamlScalar;
export type YamlMap = {
  readonly kind: "map";
  readonly line: number;
  readonly entries: ReadonlyMap<string, { readonly line: number; readonly value: YamlNode }>;
};
export type YamlList = {
  readonly kind: "list";
  readonly line: number;
  readonly items: readonly YamlNode[];
};
export type YamlScalar = {
  readonly kind: "scalar";
  readonly line: number;
  readonly text: string;
  /** A quoted scalar is a string and never null. */
  readonly quoted: boolean;
};

export type YamlBounds = {
  readonly maxChars: number;
  /** After aliases are replaced by what they stand for. */
  readonly maxNodes: number;
};

const MAX_DEPTH = 64;

/**
 * Parses one document; an empty text is a null scalar. Throws `Error` with `line N: …` for bad
 * syntax, duplicate keys, several documents, or a text beyond `bounds`.
 */
export function parseYaml(text: string, bounds: YamlBounds): YamlNode {
  if (text.length > bounds.maxChars) {
    throw new Error(`the file has ${text.length} characters, the limit is ${bounds.maxChars}`);
  }
  const lineCounter = new LineCounter();
  let contents: unknown;
  try {
    // The failsafe schema leaves every scalar a string; YAML 1.1 rules are applied by type later.
    const doc = parseDocument(text, {
      lineCounter,
      schema: "failsafe",
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: "error", // "silent" would also silence the error of a second document
    });
    const error = doc.errors[0];
    if (error !== undefined) {
      const { line } = lineCounter.linePos(error.pos[0]);
      const deep = error.message.includes("call stack");
      throw new Error(`line ${line}: ${deep ? "nested too deeply" : error.message}`);
    }
    contents = doc.contents;
  } catch (cause) {
    if (cause instanceof RangeError) throw new Error("nested too deeply", { cause });
    throw cause;
  }
  return new Converter(lineCounter, bounds.maxNodes).convert(contents, 1, 0);
}

export function isNull(node: YamlNode): boolean {
  return node.kind === "scalar" && !node.quoted && /^(|~|null|Null|NULL)$/.test(node.text);
}

class Converter {
  readonly #lines: LineCounter;
  readonly #maxNodes: number;
  readonly #anchors = new Map<string, unknown>();
  #nodes = 0;

  constructor(lines: LineCounter, maxNodes: number) {
    this.#lines = lines;
    this.#maxNodes = maxNodes;
  }

  convert(node: unknown, parentLine: number, depth: number): YamlNode {
    const line = this.#lineOf(node, parentLine);
    if (++this.#nodes > this.#maxNodes) throw new Error(`more than ${this.#maxNodes} values`);
    if (depth > MAX_DEPTH) throw new Error(`line ${line}: nested deeper than ${MAX_DEPTH} levels`);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) throw new Error(`line ${line}: unknown anchor '${node.source}'`);
      return this.convert(target, line, depth + 1);
    }
    if (isNode(node) && "anchor" in node && typeof node.anchor === "string") {
      this.#anchors.set(node.anchor, node);
    }
    if (isMap(node)) return this.#map(node.items, line, depth);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.convert(item, line, depth + 1));
      return { kind: "list", line, items };
    }
    if (isScalar(node)) {
      const quoted = node.type !== undefined && node.type !== "PLAIN";
      return { kind: "scalar", line, text: String(node.value ?? ""), quoted };
    }
    return { kind: "scalar", line, text: "", quoted: false };
  }

  #map(
    pairs: readonly { readonly key: unknown; readonly value: unknown }[],
    line: number,
    depth: number,
  ): YamlMap {
    const entries = new Map<string, { line: number; value: YamlNode }>();
    const merged: YamlNode[] = [];
    for (const pair of pairs) {
      const key = this.convert(pair.key, line, depth + 1);
      if (key.kind !== "scalar") throw new Error(`line ${key.line}: a key must be a scalar`);
      const value = this.convert(pair.value, key.line, depth + 1);
      if (key.text === "<<" && !key.quoted) {
        merged.push(...(value.kind === "list" ? value.items : [value]));
        continue;
      }
      const before = entries.get(key.text);
      if (before !== undefined) {
        const where = `line ${key.line}: key "${key.text}" already set`;
        throw new Error(`${where} at line ${before.line}`);
      }
      entries.set(key.text, { line: key.line, value });
    }
    for (const source of merged) {
      if (source.kind !== "map") throw new Error(`line ${source.line}: << needs a map`);
      for (const [key, entry] of source.entries) {
        if (!entries.has(key)) entries.set(key, entry);
      }
    }
    return { kind: "map", line, entries };
  }

  #lineOf(node: unknown, fallback: number): number {
    const start = isNode(node) ? node.range?.[0] : undefined;
    return start === undefined ? fallback : this.#lines.linePos(start).line;
  }
}
