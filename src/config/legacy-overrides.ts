import type { YamlMap, YamlNode } from "./yaml-tree.ts";

/** Flat names of Tempo 2.2 and before, by what their scoped path begins with. */
const RULES: readonly (readonly [RegExp, string])[] = [
  [
    /^ingestion_(rate_strategy|rate_limit_bytes|burst_size_bytes|tenant_shard_size|max_attribute_bytes|artificial_delay|retry_info_enabled)$/,
    "ingestion.$1",
  ],
  [/^(max_traces_per_user|max_global_traces_per_user)$/, "ingestion.$1"],
  [/^(max_bytes_per_trace)$/, "global.$1"],
  [/^(block_retention|compaction_window|compaction_disabled)$/, "compaction.$1"],
  [
    /^(max_bytes_per_tag_values_query|max_blocks_per_tag_values_query|max_condition_groups_per_tag_query|max_search_duration|max_metrics_duration|unsafe_query_hints|left_pad_trace_ids|metrics_spanonly_fetch)$/,
    "read.$1",
  ],
  [/^metrics_generator_forwarder_(queue_size|workers)$/, "metrics_generator.forwarder.$1"],
  [
    /^metrics_generator_processor_(service_graphs|span_metrics|host_info|local_blocks)_([a-z_]+)$/,
    "metrics_generator.processor.$1.$2",
  ],
  [/^metrics_generator_([a-z_]+)$/, "metrics_generator.$1"],
  [/^(forwarders|cost_attribution)$/, "$1"],
  [/^(parquet_dedicated_columns)$/, "storage.$1"],
];

/** The scoped path of a flat key, or undefined when it never was one. */
export function scopedPathOf(flatKey: string): string | undefined {
  const rule = RULES.find(([pattern]) => pattern.test(flatKey));
  return rule === undefined ? undefined : flatKey.replace(rule[0], rule[1]);
}

/**
 * A block of overrides with its flat keys moved to where the scoped format has them, below
 * `prefix`. Keys in `keep` stay; keys that are neither stay too and fail later as unknown. Throws
 * `line N: …` when a flat and a scoped key say the same.
 */
export function modernizeOverrides(
  block: YamlNode,
  keep: ReadonlySet<string>,
  prefix: string,
): { readonly block: YamlNode; readonly legacyKeys: readonly string[] } {
  if (block.kind !== "map") return { block, legacyKeys: [] };
  const legacyKeys: string[] = [];
  const moved: { path: string[]; line: number; value: YamlNode }[] = [];
  const entries = new Map(block.entries);
  for (const [name, { line, value }] of block.entries) {
    const scoped = keep.has(name) ? undefined : scopedPathOf(name);
    if (scoped === undefined) continue;
    legacyKeys.push(name);
    entries.delete(name);
    moved.push({ path: `${prefix}${scoped}`.split("."), line, value });
  }
  let result: YamlMap = { ...block, entries };
  for (const { path, line, value } of moved) result = insert(result, path, line, value);
  return { block: result, legacyKeys };
}

function insert(map: YamlMap, path: readonly string[], line: number, value: YamlNode): YamlMap {
  const [head = "", ...tail] = path;
  const entries = new Map(map.entries);
  const present = entries.get(head);
  if (tail.length === 0) {
    if (present !== undefined)
      throw new Error(`line ${line}: key "${head}" is set in both formats`);
    entries.set(head, { line, value });
  } else {
    const inner = present?.value;
    const parent: YamlMap =
      inner?.kind === "map" ? inner : { kind: "map", line, entries: new Map() };
    entries.set(head, { line: present?.line ?? line, value: insert(parent, tail, line, value) });
  }
  return { ...map, entries };
}
