import { isNull, type YamlNode } from "./yaml-tree.ts";

/** Where something is in a file, and who is told what is wrong with it, with line and key. */
export type Place = { readonly path: string; readonly report: (problem: string) => void };

/** Of dimensions, policies, buckets: each costs something for every span. */
export const MAX_ITEMS = 1000;

/** The items of a list, or of nothing. */
export function itemsOf(node: YamlNode | undefined, place: Place): readonly YamlNode[] {
  if (node === undefined || isNull(node)) return [];
  if (node.kind === "list" && node.items.length <= MAX_ITEMS) return node.items;
  place.report(`line ${node.line}: ${place.path} must be a list of ${MAX_ITEMS} at most`);
  return [];
}

export function tell({ path, report }: Place, { line }: YamlNode, problem: string): undefined {
  report(`line ${line}: ${path}: ${problem}`);
}
