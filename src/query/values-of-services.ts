import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";
import { PerKeys } from "./per-keys.ts";

/** Services that a filter is about. */
export type FilterServices = {
  /** Spans that pass have one of these; '' is that of spans without one, as in queries. */
  readonly names: ReadonlySet<string>;
  /** All spans of these services pass. */
  readonly exact: boolean;
};

/** What the catalog lists of a key with one type. */
export type ListedKey = Pick<KeyStats, "type" | "values">;

type Found = {
  readonly services: readonly string[];
  readonly names: readonly string[];
  readonly listed: ListedKey;
};

/** Segments share their lists: so many answers are remembered. */
const MAX_FOUND = 256;

/** Tells which of the values that the catalog lists occur with some services. */
export class ValuesOfServices {
  readonly #services: FilterServices;
  readonly #namesAt = new PerKeys<number | undefined>();
  /** By list of values. */
  readonly #found = new Map<readonly string[], Found>();

  constructor(services: FilterServices) {
    this.#services = services;
  }

  /** Undefined where the catalog does not know. The same object for segments with the same lists. */
  of(meta: SegmentWithKeys, { type, values, services, complete }: KeyStats): ListedKey | undefined {
    if (!complete || services === undefined) return undefined;
    const at = this.#namesAt.get(meta, findNames);
    const names = at === undefined ? undefined : meta.keys[at]!;
    if (names?.complete !== true) return undefined;
    const known = this.#found.get(values);
    const isSame = known?.services === services && known.names === names.values;
    if (isSame && known.listed.type === type) return known.listed;
    const wanted = setOf(names.values, this.#services.names);
    const listed = { type, values: values.filter((_, i) => meet(wanted, services[i]!)) };
    if (this.#found.size === MAX_FOUND) this.#found.clear();
    this.#found.set(values, { services, names: names.values, listed });
    return listed;
  }
}

/** Where the names of all services are listed; undefined where a service may have another name. */
function findNames({ keys }: SegmentWithKeys): number | undefined {
  // Of an array each element is compared.
  const isOther = ({ scope, key, type }: KeyStats) =>
    scope === "resource" && key === "service.name" && type !== "string";
  if (keys.some(isOther)) return undefined;
  const at = keys.findIndex(({ scope, key }) => scope === "intrinsic" && key === "service_name");
  return at < 0 ? undefined : at;
}

/** As `KeyStats.services`, in two halves of 32 bits. */
type ServiceSet = readonly [low: number, high: number];

function setOf(listed: readonly string[], names: ReadonlySet<string>): ServiceSet {
  const words: [number, number] = [0, 0];
  for (const [i, name] of listed.entries()) {
    if (names.has(name)) words[i >>> 5]! |= 1 << (i & 31);
  }
  return words;
}

function meet([low, high]: ServiceSet, services: string): boolean {
  const at = services.length - 8;
  const ownLow = Number.parseInt(at > 0 ? services.slice(at) : services, 16);
  const ownHigh = at > 0 ? Number.parseInt(services.slice(0, at), 16) : 0;
  return (low & ownLow) !== 0 || (high & ownHigh) !== 0;
}
