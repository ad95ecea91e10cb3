import { compileSearch } from "../query/compile-search.ts";
import type { RetentionClass } from "../storage/settings.ts";
import { parseQuery } from "../traceql/parser.ts";
import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { type KeySpec, key, keyTree } from "./key-spec.ts";
import { isNull, type YamlNode } from "./yaml-tree.ts";

const CLASS_KEYS: readonly KeySpec[] = [
  key("name", "string", "", "In metrics and segments."),
  key("query", "string", "", "TraceQL."),
  key("retention", "goDuration", undefined, "How long matching traces are kept; 0 = for ever."),
];
const CLASSES = "pintail.retention.classes";
/** Each is a query over every segment that has expired. */
const MAX_CLASSES = 16;
const MAX_QUERY_BYTES = 16 * 1024;
const NAME = /^[a-z0-9_-]{1,64}$/;

const tree = keyTree(CLASS_KEYS);

/**
 * `pintail.retention.classes`: a list, or nothing. `retentionMs` is the retention of all else, 0 =
 * for ever. `report` is told what is wrong, with line and key.
 */
export function retentionClasses(
  node: YamlNode | undefined,
  retentionMs: number,
  report: (problem: string) => void,
): readonly RetentionClass[] {
  if (node === undefined || isNull(node)) return [];
  if (node.kind !== "list") {
    report(`line ${node.line}: ${CLASSES} must be a list`);
    return [];
  }
  if (node.items.length > MAX_CLASSES) {
    report(
      `line ${node.line}: ${CLASSES} has ${node.items.length} classes, the limit is ${MAX_CLASSES}`,
    );
    return [];
  }
  const classes: RetentionClass[] = [];
  for (const item of node.items) {
    const where = `line ${item.line}: ${CLASSES}`;
    const { keys, errors } = decodeBlock(item, tree, CLASSES);
    for (const error of errors) report(error);
    if (errors.length > 0) continue;
    const values = new ConfigValues(CLASS_KEYS, keys);
    const [name, query] = [values.text("name"), values.text("query")];
    if (!NAME.test(name)) {
      report(`${where}: a name has 1 to 64 of a-z, 0-9, _ and -`);
    } else if (classes.some((each) => each.name === name)) {
      report(`${where}: ${name} is there twice`);
    } else if (!values.isSet("retention")) {
      report(`${where}: ${name} has no retention`);
    } else {
      const problem = queryProblem(query);
      if (problem !== undefined) report(`${where}: the query of ${name}: ${problem}`);
      const ownMs = values.durationMs("retention");
      if (ownMs > 0 && (retentionMs === 0 || ownMs <= retentionMs)) {
        report(`${where}: the retention of ${name} must be 0 or longer than block_retention`);
      }
      classes.push({ name, query, retentionMs: ownMs });
    }
  }
  return classes;
}

function queryProblem(query: string): string | undefined {
  try {
    compileSearch(query, MAX_QUERY_BYTES);
    const { metrics } = parseQuery(query);
    return metrics === undefined ? undefined : "metrics are no search";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
