import type { Figure } from "../support/figures.ts";
import { numberText, summaryFigure } from "../support/figures.ts";
import { type HttpAnswer, HttpClient, type HttpRequestOptions } from "../support/http-get.ts";
import type { BenchOptions } from "../support/options.ts";
import { ServerProcess } from "../support/server-process.ts";
import { summarize } from "../support/stats.ts";

const WARM_UP_RUNS = 2;
const RUNS = 11;
const SMOKE_RUNS = 1;

/** Nothing may change the stored spans: no retention, no merging. */
const YAML = `compactor: { disabled: true, compaction: { block_retention: 0s } }
`;

export type Measured = {
  readonly id: string;
  readonly label: string;
  /** Called for each run with its number, so that runs may differ; warm-up runs come first. */
  readonly ask: (run: number) => Promise<void>;
  /** Undefined: the usual number. */
  readonly runs?: number;
  readonly warmUpRuns?: number;
};

/** A server over stored spans, and a stop watch for its answers. */
export class StoredServer {
  readonly #server: ServerProcess;
  readonly #http = new HttpClient(2);
  readonly #runs: number;
  readonly #warmUpRuns: number;

  private constructor(server: ServerProcess, { runs, smoke }: BenchOptions) {
    this.#server = server;
    this.#runs = runs ?? (smoke ? SMOKE_RUNS : RUNS);
    this.#warmUpRuns = smoke ? 0 : WARM_UP_RUNS;
  }

  static async start(dir: string, options: BenchOptions): Promise<StoredServer> {
    const server = await ServerProcess.start({ dir, runtime: options.runtime, yaml: YAML });
    return new StoredServer(server, options);
  }

  get runs(): number {
    return this.#runs;
  }

  runtime(): Promise<string> {
    return this.#server.runtime();
  }

  usage(): ReturnType<ServerProcess["usage"]> {
    return this.#server.usage();
  }

  ask(path: string, options?: HttpRequestOptions): Promise<HttpAnswer> {
    return this.#http.send(this.#server.url + path, options);
  }

  /** Resolves when the body holds `wanted`, and hangs up then. */
  askUntil(path: string, wanted: string, options?: HttpRequestOptions): Promise<void> {
    return this.#http.until(this.#server.url + path, wanted, options);
  }

  /** Wall time of each answer at the client, CPU time of the server over all runs. */
  async measure({ id, label, ask, runs = this.#runs, warmUpRuns }: Measured): Promise<Figure> {
    const before = warmUpRuns ?? this.#warmUpRuns;
    for (let run = 0; run < before; run++) await ask(run);
    const walls: number[] = [];
    const cpuBefore = this.usage().cpuMicros;
    for (let run = 0; run < runs; run++) {
      const startMs = performance.now();
      await ask(before + run);
      walls.push(performance.now() - startMs);
    }
    const cpuMs = (this.usage().cpuMicros - cpuBefore) / 1000 / runs;
    return summaryFigure(id, label, "ms", summarize(walls), `CPU ${numberText(cpuMs)} ms`);
  }

  async stop(): Promise<void> {
    this.#http.close();
    await this.#server.stop();
  }
}
