import type { Attribute, Resource } from "../../query/trace.ts";

const EMPTY_SERVICE: readonly Attribute[] = [{ key: "service.name", value: "" }];

/**
 * A resource's attributes as shown: Grafana drops the spans of a resource without attributes, so
 * such a one gets the empty service name that queries see there too.
 */
export function visibleAttributes(resource: Resource): readonly Attribute[] {
  return resource.attributes.length === 0 ? EMPTY_SERVICE : resource.attributes;
}
