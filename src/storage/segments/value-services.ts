import { type KeyStats, MAX_LISTED_VALUES } from "../../schema/segment-meta.ts";
import { orderOf } from "../../util/text-order.ts";
import type { ListedCounts } from "./value-counts.ts";

/** The services of a segment, numbered in the order of their names. */
export type NumberedServices = {
  readonly count: number;
  /** By resource; of those without spans any number. */
  readonly ofResource: Uint8Array;
  /** By row. */
  readonly ofRow: Uint8Array;
};

/** Undefined when not all services are listed. `resourceOfRow`: by row. */
export function numberServices(
  { counts, ids }: ListedCounts,
  serviceOf: Uint32Array,
  resourceOfRow: Uint32Array,
): NumberedServices | undefined {
  if (!counts.complete) return undefined;
  const numbers = new Map(orderOf(counts.values).map((place, number) => [ids[place]!, number]));
  const ofResource = new Uint8Array(serviceOf.length);
  for (let i = 0; i < serviceOf.length; i++) ofResource[i] = numbers.get(serviceOf[i]!) ?? 0;
  const ofRow = new Uint8Array(resourceOfRow.length);
  for (let row = 0; row < ofRow.length; row++) ofRow[row] = ofResource[resourceOfRow[row]!]!;
  return { count: ids.length, ofResource, ofRow };
}

/** By event or link the service of its span. `offsets`: where those of each span begin. */
export function servicesOfParts(
  { ofResource }: NumberedServices,
  offsets: Uint32Array,
  resourceOfSpan: Uint32Array,
  spanCount: number,
): Uint8Array {
  const ofPart = new Uint8Array(offsets[spanCount]!);
  for (let span = 0; span < spanCount; span++) {
    ofPart.fill(ofResource[resourceOfSpan[span]!]!, offsets[span]!, offsets[span + 1]!);
  }
  return ofPart;
}

/** Words of 32 bits of a set of services. */
const WORDS = MAX_LISTED_VALUES / 32;

/** By scope, `WORDS` words each, the services of its rows: a library may be used by several. */
export function servicesOfScopes(
  { ofRow }: NumberedServices,
  scopeOfRow: Uint32Array,
  scopeCount: number,
): Uint32Array {
  const sets = new Uint32Array(WORDS * scopeCount);
  for (let row = 0; row < scopeOfRow.length; row++) {
    const service = ofRow[row]!;
    sets[WORDS * scopeOfRow[row]! + (service >>> 5)]! |= 1 << (service & 31);
  }
  return sets;
}

/** Who has values of one key. */
export type KeyOwners = {
  /** The owners `from .. to`. */
  readonly owners: Uint32Array;
  readonly from: number;
  readonly to: number;
  /** By owner. */
  readonly services: Uint8Array;
  /** Spans of each owner: one without any has no service. Undefined: one each. */
  readonly weights: Uint32Array | undefined;
};

/** Values of one key: `ids` are in the same places as `owners`. */
export type OwnedValues = KeyOwners & { readonly ids: Uint32Array };

/** As `KeyStats` has them. */
export type KeyServices = Pick<KeyStats, "services" | "keyServices">;

/** With which services keys and their values occur. Its scratch is a byte for each id. */
export class ServiceSets {
  readonly #serviceCount: number;
  #places: Uint8Array;
  readonly #words = new Uint32Array(WORDS * MAX_LISTED_VALUES);

  constructor({ count }: NumberedServices, idCount: number) {
    this.#serviceCount = count;
    this.#places = new Uint8Array(idCount);
  }

  /**
   * `KeyStats.services` and `keyServices` for the ids of the listed values, which must be all that there
   * are, and one at least.
   */
  ofValues(listed: readonly number[], values: OwnedValues): KeyServices {
    if (this.#serviceCount === 1) return { services: listed.map(() => "1"), keyServices: "1" };
    this.#makeRoom(listed);
    for (let place = 0; place < listed.length; place++) this.#places[listed[place]!] = place;
    this.#words.fill(0, 0, WORDS * listed.length);
    this.#collect(values);
    const all = new Uint32Array(WORDS);
    for (let i = 0; i < WORDS * listed.length; i++) all[i % WORDS]! |= this.#words[i]!;
    const services = listed.map((_, place) => setText(this.#words, place));
    return { services, keyServices: setText(all, 0) };
  }

  /** `KeyStats.keyServices`; undefined when nobody with a span has the key. */
  ofKey({ owners, from, to, services, weights }: KeyOwners): string | undefined {
    const words = new Uint32Array(WORDS);
    let missing = this.#serviceCount;
    for (let i = from; i < to && missing > 0; i++) {
      const owner = owners[i]!;
      if (weights !== undefined && weights[owner] === 0) continue;
      const service = services[owner]!;
      const bit = 1 << (service & 31);
      if ((words[service >>> 5]! & bit) !== 0) continue;
      words[service >>> 5]! |= bit;
      missing--;
    }
    return textOrNone(words);
  }

  /** The same of owners with several services, see `servicesOfScopes`. */
  ofSets(sets: Uint32Array, owners: Uint32Array, from: number, to: number): string | undefined {
    const words = new Uint32Array(WORDS);
    for (let i = from; i < to; i++) {
      for (let w = 0; w < WORDS; w++) words[w]! |= sets[WORDS * owners[i]! + w]!;
    }
    return textOrNone(words);
  }

  /** Some nanoseconds a value: this is done for each attribute of each span. */
  #collect({ ids, from, to, owners, services, weights }: OwnedValues): void {
    const [places, words] = [this.#places, this.#words];
    for (let i = from; i < to; i++) {
      const owner = owners[i]!;
      if (weights !== undefined && weights[owner] === 0) continue;
      const service = services[owner]!;
      words[WORDS * places[ids[i]!]! + (service >>> 5)]! |= 1 << (service & 31);
    }
  }

  #makeRoom(listed: readonly number[]): void {
    const most = Math.max(-1, ...listed);
    if (most >= this.#places.length) this.#places = new Uint8Array(most + 1);
  }
}

function textOrNone(words: Uint32Array): string | undefined {
  const text = setText(words, 0);
  return text === "0" ? undefined : text;
}

/** The set at a place of the words. */
function setText(words: Uint32Array, place: number): string {
  const [low, high] = [words[WORDS * place]!, words[WORDS * place + 1]!];
  if (high === 0) return low.toString(16);
  return `${high.toString(16)}${low.toString(16).padStart(8, "0")}`;
}
