import type { FilterPolicy, PolicyAttribute, PolicyMatch } from "../metrics-generator/settings.ts";
import { SPAN_KIND_NAMES, STATUS_CODE_NAMES } from "../model/enum-names.ts";
import { parseTagName } from "../traceql/parser.ts";
import { checkRegex } from "../traceql/regex.ts";
import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { type KeySpec, key, keyTree } from "./key-spec.ts";
import { itemsOf, type Place, tell } from "./place.ts";
import { parseYamlBool, parseYamlFloat, parseYamlInt } from "./scalar.ts";
import { isNull, type YamlNode } from "./yaml-tree.ts";

const MEMBERS = ["include", "include_any", "exclude"] as const;
const POLICY_KEYS: readonly KeySpec[] = MEMBERS.flatMap((member) => [
  key(`${member}.match_type`, "string", "", "How values are compared.", {
    oneOf: ["strict", "regex"],
  }),
  key(`${member}.attributes`, "any", undefined, "List of `{key, value}`."),
]);
const ATTRIBUTE_KEYS: readonly KeySpec[] = [
  key("key", "string", "", "TraceQL field."),
  key("value", "any", undefined, "Value or regular expression."),
];
const KINDS: ReadonlySet<string> = new Set(SPAN_KIND_NAMES);
const STATUSES: ReadonlySet<string> = new Set(STATUS_CODE_NAMES);

const policyTree = keyTree(POLICY_KEYS);
const attributeTree = keyTree(ATTRIBUTE_KEYS);

/** `filter_policies`: a list, or nothing. */
export function filterPolicies(node: YamlNode | undefined, place: Place): readonly FilterPolicy[] {
  return itemsOf(node, place).flatMap((item) => {
    const { keys, errors } = decodeBlock(item, policyTree, place.path);
    for (const error of errors) place.report(error);
    if (errors.length > 0) return [];
    const values = new ConfigValues(POLICY_KEYS, keys);
    const present = MEMBERS.filter((member) => hasBlock(item, member));
    if (present.length === 0) tell(place, item, `a policy needs one of ${MEMBERS.join(", ")}`);
    const match = (member: (typeof MEMBERS)[number]): PolicyMatch | undefined =>
      present.includes(member) ? policyMatch(values, member, item, place) : undefined;
    const policy: FilterPolicy = {
      include: match("include"),
      includeAny: match("include_any"),
      exclude: match("exclude"),
    };
    return [policy];
  });
}

function policyMatch(
  values: ConfigValues,
  member: string,
  policy: YamlNode,
  place: Place,
): PolicyMatch {
  const type = values.text(`${member}.match_type`) === "regex" ? "regex" : "strict";
  if (!values.isSet(`${member}.match_type`)) {
    tell(place, policy, `${member} needs a match_type, strict or regex`);
  }
  const attributes = new Map<string, PolicyAttribute>();
  const node = values.decoded(`${member}.attributes`)?.node;
  const inner = { ...place, path: `${place.path}.${member}.attributes` };
  for (const item of itemsOf(node, inner)) {
    const found = policyAttribute(item, type, inner);
    if (found === undefined) continue;
    const identity = `${found.of} ${found.key}`;
    if (!attributes.has(identity)) attributes.set(identity, found);
  }
  return { type, attributes: [...attributes.values()] };
}

function policyAttribute(
  node: YamlNode,
  type: PolicyMatch["type"],
  place: Place,
): PolicyAttribute | undefined {
  const wrong = (problem: string): undefined => tell(place, node, problem);
  const { keys, errors } = decodeBlock(node, attributeTree, place.path);
  for (const error of errors) place.report(error);
  if (errors.length > 0) return undefined;
  const values = new ConfigValues(ATTRIBUTE_KEYS, keys);
  const name = values.text("key");
  const shown = name.slice(0, 100);
  const field = fieldOf(name);
  if (field === undefined) {
    return wrong(`the key "${shown}" is none of kind, name, status, resource.… and span.…`);
  }
  const given = values.decoded("value")?.node;
  if (given?.kind !== "scalar") return wrong(`${shown} needs a value that is no list and no map`);
  if (type === "regex") {
    const problem = regexProblem(given.text);
    return problem === undefined ? { ...field, value: given.text } : wrong(`${shown}: ${problem}`);
  }
  const names = field.of === "kind" ? KINDS : field.of === "status" ? STATUSES : undefined;
  if (names !== undefined && !names.has(given.text)) {
    return wrong(`${shown}: "${given.text.slice(0, 100)}" is none of ${[...names].join(", ")}`);
  }
  if (field.of !== "resource" && field.of !== "span") return { ...field, value: given.text };
  const value = given.quoted ? given.text : strictValue(given.text);
  return value === undefined ? wrong(`${shown}: a number is too large`) : { ...field, value };
}

function fieldOf(name: string): Pick<PolicyAttribute, "of" | "key"> | undefined {
  try {
    const field = parseTagName(name);
    if (field.type === "attribute") {
      const { scope } = field;
      return scope === "resource" || scope === "span" ? { of: scope, key: field.key } : undefined;
    }
    if (field.type !== "intrinsic") return undefined;
    const of = (["kind", "name", "status"] as const).find((each) => each === field.name);
    return of === undefined ? undefined : { of, key: "" };
  } catch {
    return undefined; // `parseTagName` throws for what is no field
  }
}

const INTEGER = /^[-+]?[0-9][0-9_]*$/;
const LONGEST_INTEGER = 30;

/** An unquoted scalar; an integer is one of OTLP's 64 bits. Undefined when it has more. */
function strictValue(text: string): PolicyAttribute["value"] | undefined {
  const bool = text.length > 1 ? parseYamlBool(text) : undefined;
  if (bool !== undefined) return bool;
  if (INTEGER.test(text) && !/^[-+]?0[0-9]/.test(text)) {
    if (text.length > LONGEST_INTEGER) return undefined;
    const value = BigInt(text.replace("+", "").replaceAll("_", ""));
    return BigInt.asIntN(64, value) === value ? value : undefined;
  }
  const float = parseYamlFloat(text);
  if (float !== undefined && /[.eE]/.test(text)) return float;
  const int = parseYamlInt(text);
  return int === undefined ? text : BigInt(int);
}

function regexProblem(pattern: string): string | undefined {
  try {
    checkRegex(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function hasBlock(item: YamlNode, member: string): boolean {
  const block = item.kind === "map" ? item.entries.get(member)?.value : undefined;
  return block !== undefined && !isNull(block);
}
