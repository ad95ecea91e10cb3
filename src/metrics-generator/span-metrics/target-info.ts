import type { SpanBatch } from "../../model/span-batch.ts";
import { type Label, sanitizedName } from "../registry/label-set.ts";
import { valueText } from "../value-text.ts";
import { INTRINSIC_LABELS } from "./dimension-label.ts";

/** Who sends: `job` and `instance` of Prometheus; '' for none. */
export type Target = { readonly job: string; readonly instance: string };

const NAMING = ["service.name", "service.namespace", "service.instance.id"] as const;

export function targetOf(batch: SpanBatch, resource: number): Target {
  const [name, namespace, instance] = NAMING.map((key) => textOf(batch, resource, key));
  const job = name === "" || namespace === "" ? name : `${namespace}/${name}`;
  return { job: job ?? "", instance: instance ?? "" };
}

/**
 * What the resource says beside who it is, as labels of an info series; undefined when that is
 * nothing, or nobody knows whose it is.
 */
export function targetInfoLabels(
  batch: SpanBatch,
  resource: number,
  { job, instance }: Target,
  excluded: ReadonlySet<string>,
): readonly Label[] | undefined {
  if (job === "" && instance === "") return undefined;
  const { resourceAttributes: columns, strings } = batch;
  const labels: Label[] = [];
  const end = columns.offsets[resource + 1]!;
  for (let entry = columns.offsets[resource]!; entry < end; entry++) {
    const key = strings.text(columns.keys[entry]!);
    if (key === "" || excluded.has(key) || /^[0-9]/.test(key)) continue;
    if ((NAMING as readonly string[]).includes(key)) continue;
    const name = sanitizedName(key);
    const isTaken = INTRINSIC_LABELS.has(name) || name === "job" || name === "instance";
    labels.push([isTaken ? `__${name}` : name, valueText(columns, entry, strings)]);
  }
  if (!labels.some(([, value]) => value !== "")) return undefined;
  return [...labels, ["job", job], ["instance", instance]];
}

function textOf(batch: SpanBatch, resource: number, key: string): string {
  const { resourceAttributes: columns, strings } = batch;
  const end = columns.offsets[resource + 1]!;
  for (let entry = columns.offsets[resource]!; entry < end; entry++) {
    if (strings.text(columns.keys[entry]!) === key) return valueText(columns, entry, strings);
  }
  return "";
}
