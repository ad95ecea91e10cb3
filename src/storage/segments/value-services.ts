import { MAX_LISTED_VALUES } from "../../schema/segment-meta.ts";
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

/** Values of one key as they come, and the services of what has them. */
export type ValuesWithServices = {
  /** Ids of the values `from .. to`. */
  readonly ids: Uint32Array;
  readonly from: number;
  readonly to: number;
  /** Who has each, by the same places. */
  readonly owners: Uint32Array;
  /** By owner. */
  readonly services: Uint8Array;
  /** Spans of each owner: one without any has no service. Undefined: one each. */
  readonly weights: Uint32Array | undefined;
};

/** Words of 32 bits of each value's set. */
const WORDS = MAX_LISTED_VALUES / 32;

/** With which services the values of keys occur. Its scratch is a byte for each id. */
export class ServiceSets {
  readonly #serviceCount: number;
  #places: Uint8Array;
  readonly #words = new Uint32Array(WORDS * MAX_LISTED_VALUES);

  constructor({ count }: NumberedServices, idCount: number) {
    this.#serviceCount = count;
    this.#places = new Uint8Array(idCount);
  }

  /** `KeyStats.services` for the ids of the listed values, which must be all that there are. */
  of(listed: readonly number[], values: ValuesWithServices): string[] {
    if (this.#serviceCount === 1) return listed.map(() => "1");
    this.#makeRoom(listed);
    for (let place = 0; place < listed.length; place++) this.#places[listed[place]!] = place;
    this.#words.fill(0, 0, WORDS * listed.length);
    this.#collect(values);
    return listed.map((_, place) => {
      const [low, high] = [this.#words[WORDS * place]!, this.#words[WORDS * place + 1]!];
      return high === 0
        ? low.toString(16)
        : `${high.toString(16)}${low.toString(16).padStart(8, "0")}`;
    });
  }

  /** Some nanoseconds a value: this is done for each attribute of each span. */
  #collect({ ids, from, to, owners, services, weights }: ValuesWithServices): void {
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
