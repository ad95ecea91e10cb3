import type { FieldRef, IntrinsicName } from "../traceql/ast.ts";
import { KIND_CODES, STATUS_CODES } from "../traceql/words.ts";
import type { TagField } from "./tag-places.ts";
import type { TagScope } from "./tag-scopes.ts";
import type { TagValue } from "./tag-value.ts";

/** Where the values of a tag come from: the data, a fixed list, or both. */
export type TagSource = {
  readonly field: TagField | undefined;
  readonly fixed: readonly TagValue[];
};

const NOTHING: TagSource = { field: undefined, fixed: [] };
const STATUS_VALUES = keywords(Object.keys(STATUS_CODES));
const KIND_VALUES = keywords(Object.keys(KIND_CODES));

/** The source of a tag named as TraceQL names fields. */
export function tagSource(field: FieldRef): TagSource {
  if (field.type === "intrinsic") return intrinsicSource(field.name);
  if (field.type === "parent-attribute") return NOTHING;
  return attributeSource(field.scope === "any" ? ["span", "resource"] : [field.scope], field.key);
}

/** The source of a tag of the first version's endpoint: a bare key, and some old names. */
export function legacyTagSource(name: string): TagSource {
  switch (name) {
    case "status.code":
      return {
        field: undefined,
        fixed: ["unset", "ok", "error", "0", "1", "2"].map((value) => ({ type: "string", value })),
      };
    case "error":
      return {
        ...attributeSource(["span", "resource"], name),
        fixed: [{ type: "string", value: "true" }],
      };
    case "name":
      return intrinsicSource("name");
    case "root.name":
    case "rootName":
      return intrinsicSource("rootName");
    case "root.service.name":
    case "rootServiceName":
      return intrinsicSource("rootServiceName");
    case "status":
    case "kind":
    case "duration":
      return NOTHING;
    default:
      return attributeSource(["span", "resource"], name);
  }
}

function attributeSource(scopes: readonly TagScope[], key: string): TagSource {
  return { field: { type: "attribute", scopes, key }, fixed: [] };
}

/** Ids and durations have as many values as spans: none are listed. */
function intrinsicSource(name: IntrinsicName): TagSource {
  switch (name) {
    case "status":
      return { field: undefined, fixed: STATUS_VALUES };
    case "kind":
      return { field: undefined, fixed: KIND_VALUES };
    case "name":
      return column("name");
    case "statusMessage":
      return column("status_message");
    case "rootName":
      return column("root_span_name");
    case "rootServiceName":
      return column("root_service_name");
    case "instrumentation:name":
      return column("scope_name");
    case "instrumentation:version":
      return column("scope_version");
    case "event:name":
      return { field: { type: "event-name" }, fixed: [] };
    case "nestedSetLeft":
      return column("nested_left", "int");
    case "nestedSetRight":
      return column("nested_right", "int");
    case "nestedSetParent":
      return column("nested_parent", "int");
    case "duration":
    case "traceDuration":
    case "event:timeSinceStart":
    case "parent":
    case "span:id":
    case "span:parentID":
    case "span:childCount":
    case "trace:id":
    case "link:traceID":
    case "link:spanID":
      return NOTHING;
    default:
      return name satisfies never;
  }
}

function column(
  name: Extract<TagField, { type: "column" }>["column"],
  valueType: "string" | "int" = "string",
): TagSource {
  return { field: { type: "column", column: name, valueType }, fixed: [] };
}

function keywords(words: readonly string[]): readonly TagValue[] {
  return words.map((value) => ({ type: "keyword", value }));
}
