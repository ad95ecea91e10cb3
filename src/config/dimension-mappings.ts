import { sanitizedName } from "../metrics-generator/registry/label-set.ts";
import type { DimensionMapping } from "../metrics-generator/settings.ts";
import {
  dimensionLabel,
  INTRINSIC_LABELS,
} from "../metrics-generator/span-metrics/dimension-label.ts";
import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { type KeySpec, key, keyTree } from "./key-spec.ts";
import { itemsOf, MAX_ITEMS, type Place, tell } from "./place.ts";
import type { YamlNode } from "./yaml-tree.ts";

const MAPPING_KEYS: readonly KeySpec[] = [
  key("name", "string", "", "Label."),
  key("source_labels", "list", [], "Attributes."),
  key("join", "string", "", "Between their values."),
];
const tree = keyTree(MAPPING_KEYS);

/**
 * `dimension_mappings`: a list, or nothing. A label of two meanings would mix them, so its name is
 * none of an intrinsic, of one of `dimensions`, or of another mapping.
 */
export function dimensionMappings(
  node: YamlNode | undefined,
  dimensions: readonly string[],
  place: Place,
): readonly DimensionMapping[] {
  const taken = new Map<string, string>();
  for (const name of INTRINSIC_LABELS) taken.set(name, "an intrinsic");
  for (const name of dimensions) taken.set(dimensionLabel(name), `the dimension ${name}`);
  return itemsOf(node, place).flatMap((item) => {
    const { keys, errors } = decodeBlock(item, tree, place.path);
    for (const error of errors) place.report(error);
    if (errors.length > 0) return [];
    const values = new ConfigValues(MAPPING_KEYS, keys);
    const name = values.text("name");
    const shown = name.slice(0, 100);
    const label = sanitizedName(name);
    const other = taken.get(label);
    if (name === "") tell(place, item, "a mapping needs a name");
    if (other !== undefined) tell(place, item, `${shown} is already the label of ${other}`);
    taken.set(label, `the mapping ${shown}`);
    const sourceLabels = values.list("source_labels").filter((source) => source !== "");
    if (sourceLabels.length > MAX_ITEMS) {
      tell(place, item, `${shown} has ${sourceLabels.length} sources, the limit is ${MAX_ITEMS}`);
    }
    return [{ name, sourceLabels, join: values.text("join") }];
  });
}
