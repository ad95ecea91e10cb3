/** Buckets of most latencies, in seconds. */
export const DEFAULT_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Label values beyond a metric's `maxSeries` go to one series with this in every label. */
export const OVERFLOW = "__overflow__";
const DEFAULT_MAX_SERIES = 1000;

export type MetricOptions<L extends string> = {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
  readonly maxSeries?: number;
};

export type Labels<L extends string> = Readonly<Record<L, string>>;

export interface Counter<L extends string = never> {
  inc(labels: Labels<L>, by?: number): void;
}
export interface Gauge<L extends string = never> {
  set(labels: Labels<L>, value: number): void;
  add(labels: Labels<L>, by: number): void;
  /** Forgets all series, e.g. before setting those that still exist. */
  reset(): void;
}
export interface Histogram<L extends string = never> {
  observe(labels: Labels<L>, value: number): void;
}

type Kind = "counter" | "gauge" | "histogram";
type Sample = { value: number };
type Distribution = { counts: Float64Array; sum: number; count: number };

/**
 * The metrics of one process in Prometheus' text format 0.0.4. Asking again for a metric of the
 * same name, type and labels gives the same one, so parts need not share objects; a name with
 * another type or labels is a programming error.
 */
export class MetricRegistry {
  readonly #families = new Map<string, Family>();
  readonly #collectors: (() => void)[] = [];

  counter<L extends string = never>(options: MetricOptions<L>): Counter<L> {
    const family = this.#family("counter", options, []);
    return {
      inc: (labels, by = 1) => {
        family.sample(labels).value += by;
      },
    };
  }

  gauge<L extends string = never>(options: MetricOptions<L>): Gauge<L> {
    const family = this.#family("gauge", options, []);
    return {
      set: (labels, value) => {
        family.sample(labels).value = value;
      },
      add: (labels, by) => {
        family.sample(labels).value += by;
      },
      reset: () => family.reset(),
    };
  }

  /** `buckets` are upper bounds, ascending, without +Inf. */
  histogram<L extends string = never>(
    options: MetricOptions<L> & { readonly buckets?: readonly number[] },
  ): Histogram<L> {
    const buckets = options.buckets ?? DEFAULT_BUCKETS;
    const family = this.#family("histogram", options, buckets);
    return {
      observe: (labels, value) => {
        const distribution = family.distribution(labels);
        let i = 0;
        while (i < buckets.length && value > (buckets[i] as number)) i++;
        distribution.counts[i] = (distribution.counts[i] as number) + 1;
        distribution.sum += value;
        distribution.count++;
      },
    };
  }

  /** Runs `collect` before each rendering, to set gauges whose value lives elsewhere. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect);
  }

  render(): string {
    for (const collect of this.#collectors) collect();
    const lines: string[] = [];
    for (const name of [...this.#families.keys()].sort()) this.#families.get(name)?.render(lines);
    return `${lines.join("\n")}\n`;
  }

  #family(kind: Kind, options: MetricOptions<string>, buckets: readonly number[]): Family {
    const known = this.#families.get(options.name);
    if (known === undefined) {
      const family = new Family(kind, options, buckets);
      this.#families.set(options.name, family);
      return family;
    }
    const same =
      known.kind === kind &&
      known.labels.join() === (options.labels ?? []).join() &&
      known.buckets.join() === buckets.join();
    if (!same) throw new Error(`metric ${options.name} exists with another type or labels`);
    return known;
  }
}

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

class Family {
  readonly kind: Kind;
  readonly labels: readonly string[];
  readonly buckets: readonly number[];
  readonly #name: string;
  readonly #help: string;
  readonly #maxSeries: number;
  /** By rendered labels. */
  readonly #samples = new Map<string, Sample>();
  readonly #distributions = new Map<string, Distribution>();

  constructor(kind: Kind, options: MetricOptions<string>, buckets: readonly number[]) {
    this.kind = kind;
    this.labels = options.labels ?? [];
    this.buckets = buckets;
    this.#name = options.name;
    this.#help = options.help;
    this.#maxSeries = options.maxSeries ?? DEFAULT_MAX_SERIES;
    // A metric without labels exists from the start, at zero.
    if (this.labels.length === 0) this.reset();
  }

  reset(): void {
    this.#samples.clear();
    this.#distributions.clear();
    if (this.labels.length > 0) return;
    if (this.kind === "histogram") this.distribution({});
    else this.sample({});
  }

  sample(labels: Readonly<Record<string, string>>): Sample {
    return this.#series(this.#samples, labels, () => ({ value: 0 }));
  }

  distribution(labels: Readonly<Record<string, string>>): Distribution {
    return this.#series(this.#distributions, labels, () => ({
      counts: new Float64Array(this.buckets.length + 1),
      sum: 0,
      count: 0,
    }));
  }

  #series<S>(all: Map<string, S>, labels: Readonly<Record<string, string>>, create: () => S): S {
    let key = this.labels.map((label) => labelText(label, labels[label] ?? "")).join();
    let series = all.get(key);
    if (series !== undefined) return series;
    if (all.size >= this.#maxSeries) {
      key = this.labels.map((label) => labelText(label, OVERFLOW)).join();
      series = all.get(key);
      if (series !== undefined) return series;
    }
    series = create();
    all.set(key, series);
    return series;
  }

  render(lines: string[]): void {
    const name = this.#name;
    lines.push(`# HELP ${name} ${this.#help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`);
    lines.push(`# TYPE ${name} ${this.kind}`);
    for (const [key, { value }] of this.#samples) lines.push(line(name, key, value));
    for (const [key, { counts, sum, count }] of this.#distributions) {
      const prefix = key === "" ? "" : `${key},`;
      let cumulative = 0;
      this.buckets.forEach((bound, i) => {
        cumulative += counts[i] as number;
        lines.push(line(`${name}_bucket`, `${prefix}le="${numberText(bound)}"`, cumulative));
      });
      lines.push(line(`${name}_bucket`, `${prefix}le="+Inf"`, count));
      lines.push(line(`${name}_sum`, key, sum));
      lines.push(line(`${name}_count`, key, count));
    }
  }
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${numberText(value)}`;
}

function labelText(name: string, value: string): string {
  const escaped = /[\\"\n]/.test(value)
    ? value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")
    : value;
  return `${name}="${escaped}"`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}
