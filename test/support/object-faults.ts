import { seededRandom } from "./random.ts";

/** What a fake store can do wrong with one request. */
export type ObjectFault =
  | "status_500" // not carried out
  | "status_503"
  | "slow_down"
  | "delay" // answered after the client's patience, and not carried out when it has gone
  | "reset" // the connection ends before anything was done
  | "lost_response" // carried out, then the connection ends
  | "done_500" // carried out, answered by 500
  | "cut_body" // the answer's body ends half way
  | "short_range" // a shorter range than was asked for, in itself consistent
  | "wrong_version" // an answer with another ETag or generation
  | "late_404"; // an object that is there is not found

export const ALL_OBJECT_FAULTS: readonly ObjectFault[] = [
  "status_500",
  "status_503",
  "slow_down",
  "delay",
  "reset",
  "lost_response",
  "done_500",
  "cut_body",
  "short_range",
  "wrong_version",
  "late_404",
];

/** Decides by a seed which requests go wrong, and how. */
export class ObjectFaults {
  /** Share of requests that go wrong, in [0, 1]. */
  share = 0;
  kinds: readonly ObjectFault[] = ALL_OBJECT_FAULTS;
  /** How many of each happened. */
  readonly counts = new Map<ObjectFault, number>();
  readonly #random: () => number;
  /** Faults of the next requests that `only` takes, before those of the seed. */
  readonly #planned: { readonly fault: ObjectFault; readonly only: string }[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** The next request whose name (`PUT`, `POST`, `GET` …) is `only` goes wrong this way. */
  plan(only: string, ...faults: readonly ObjectFault[]): void {
    for (const fault of faults) this.#planned.push({ fault, only });
  }

  next(method: string): ObjectFault | undefined {
    const planned = this.#planned.findIndex((plan) => plan.only === method);
    const fault =
      planned >= 0
        ? this.#planned.splice(planned, 1)[0]?.fault
        : this.#random() < this.share
          ? this.kinds[Math.floor(this.#random() * this.kinds.length)]
          : undefined;
    if (fault !== undefined) this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
    return fault;
  }
}
