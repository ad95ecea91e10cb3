import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { type KeySpec, key, keyTree } from "./key-spec.ts";
import type { Place } from "./place.ts";
import { isNull, type YamlNode } from "./yaml-tree.ts";

const HEADER_KEYS: readonly KeySpec[] = [
  key("values", "list", [], "Values."),
  key("secrets", "list", [], "Values that are not shown."),
  key("files", "list", [], "Files that hold one value each."),
];
const MAX_HEADERS = 100;
const MAX_VALUE_LENGTH = 16 * 1024;

/** Those that the request itself has; another value would break it. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-prometheus-remote-write-version",
]);

const tree = keyTree(HEADER_KEYS);

/** What is wrong with a header, or undefined. The value may be a secret and is not shown. */
export function headerProblem(name: string, value: string): string | undefined {
  const shown = name.slice(0, 100);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return `${shown} is no name of a header`;
  if (OWN_HEADERS.has(name.toLowerCase())) return `${shown} cannot be set`;
  if (value.length > MAX_VALUE_LENGTH) {
    return `${shown} has ${value.length} characters, the limit is ${MAX_VALUE_LENGTH}`;
  }
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
    ? undefined
    : `${shown} has a value that cannot be sent`;
}

/** `http_headers`: `{values, secrets, files}` by name. Several values of one are one, with commas. */
export function readHttpHeaders(
  node: YamlNode | undefined,
  readFile: (path: string) => string,
  { path, report }: Place,
): [name: string, value: string][] {
  if (node === undefined || isNull(node)) return [];
  if (node.kind !== "map" || node.entries.size > MAX_HEADERS) {
    report(`line ${node.line}: ${path} must be a map of ${MAX_HEADERS} headers at most`);
    return [];
  }
  const pairs: [string, string][] = [];
  for (const [name, { line, value: block }] of node.entries) {
    const { keys, errors } = decodeBlock(block, tree, `${path}.${name.slice(0, 100)}`);
    for (const error of errors) report(error);
    if (errors.length > 0) continue;
    const values = new ConfigValues(HEADER_KEYS, keys);
    const texts = [...values.list("values"), ...values.list("secrets")];
    for (const file of values.list("files")) {
      try {
        texts.push(readFile(file).trim());
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        report(`line ${line}: ${path}.${name.slice(0, 100)}: ${reason}`);
      }
    }
    if (texts.length > 0) pairs.push([name, texts.join(", ")]);
  }
  return pairs;
}
