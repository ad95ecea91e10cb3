import { isNull, type YamlNode } from "./yaml-tree.ts";

const PROCESSORS = [
  "service-graphs",
  "span-metrics",
  "span-metrics-count",
  "span-metrics-latency",
  "span-metrics-size",
  "host-info",
] as const;

export type Processor = (typeof PROCESSORS)[number];

/** Of Tempo 2; what it was for needs no processor here. */
const LOCAL_BLOCKS = "local-blocks";

export type Processors = {
  readonly known: ReadonlySet<Processor>;
  /** The beginning of each name that is none. */
  readonly unknown: readonly string[];
};

/** `processors`: a list of names, one name, or a map whose keys are the names. */
export function readProcessors(node: YamlNode | undefined): Processors {
  const known = new Set<Processor>();
  const unknown = new Set<string>();
  for (const name of namesOf(node)) {
    const processor = PROCESSORS.find((each) => each === name);
    if (processor !== undefined) known.add(processor);
    else if (name !== LOCAL_BLOCKS) unknown.add(name.slice(0, 100));
  }
  return { known, unknown: [...unknown] };
}

function namesOf(node: YamlNode | undefined): readonly string[] {
  if (node === undefined || isNull(node)) return [];
  switch (node.kind) {
    case "scalar":
      return [node.text];
    case "list":
      return node.items.map((item) => (item.kind === "scalar" ? item.text : `a ${item.kind}`));
    case "map":
      return [...node.entries.keys()];
    default:
      return node satisfies never;
  }
}
