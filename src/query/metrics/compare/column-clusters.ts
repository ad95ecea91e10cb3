import type { CompareColumn } from "./compare-attributes.ts";

/** Combinations of the values of one cluster, as far as the statistics tell. */
const MAX_COMBINATIONS = 200;
const MAX_COLUMNS = 16;

/**
 * Columns to be grouped by together: those of the resource, since a process has one of each, and
 * others next to each other while their values make few combinations.
 */
export function columnClusters(columns: readonly CompareColumn[]): CompareColumn[][] {
  const ofResource = columns.filter(isOfResource);
  const clusters: CompareColumn[][] = [];
  for (let at = 0; at < ofResource.length; at += MAX_COLUMNS) {
    clusters.push(ofResource.slice(at, at + MAX_COLUMNS));
  }
  let open: CompareColumn[] = [];
  let combinations = 1;
  for (const column of columns) {
    if (isOfResource(column)) continue;
    // Absent is one more.
    combinations *= column.distinct + 1;
    if (combinations > MAX_COMBINATIONS || open.length === 0 || open.length >= MAX_COLUMNS) {
      open = [];
      clusters.push(open);
      combinations = column.distinct + 1;
    }
    open.push(column);
  }
  return clusters;
}

function isOfResource({ attribute }: CompareColumn): boolean {
  return attribute.startsWith("resource.");
}
