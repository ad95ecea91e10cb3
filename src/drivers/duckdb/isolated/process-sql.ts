import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type ErrorKind, isPintailError, PintailError } from "../../../errors.ts";
import { orAborted } from "../../../util/or-aborted.ts";
import { Frame, type FrameError, readFrames } from "./frames.ts";
import type {
  IsolatedAnswer,
  IsolatedQuery,
  IsolatedRequest,
  IsolatedSettings,
  IsolatedSql,
  RunOptions,
} from "./isolated-sql.ts";
import type { QueryFolders } from "./query-folders.ts";

const CHILD = fileURLToPath(new URL("./isolated-child.ts", import.meta.url));
/** Rows are held for a moment only; DuckDB's memory is outside this. */
const CHILD_HEAP_MB = 256;
const STDERR_CHARS = 2_000;

export type ProcessSqlSettings = Omit<IsolatedSettings, "tempDir">;

/**
 * Runs each statement in a process of its own: some of DuckDB's functions take hours for a short
 * text and heed no interrupt, and a fault in the engine must not end the server. Ending the process
 * ends the query, whatever it does. Starting one costs about a quarter of a second.
 */
export class ProcessSql implements IsolatedSql {
  readonly #folders: Pick<QueryFolders, "create" | "remove">;
  readonly #settings: ProcessSqlSettings;

  constructor(folders: Pick<QueryFolders, "create" | "remove">, settings: ProcessSqlSettings) {
    this.#folders = folders;
    this.#settings = settings;
  }

  async run(query: IsolatedQuery, options: RunOptions): Promise<IsolatedAnswer> {
    if (options.signal.aborted) throw reasonOf(options.signal);
    const tempDir = await this.#folder(options.signal);
    const process = this.#start({ ...query, settings: { ...this.#settings, tempDir } }, options);
    void process.ended.then(() => this.#folders.remove(tempDir));
    return await process.answer();
  }

  async #folder(signal: AbortSignal): Promise<string> {
    const made = this.#folders.create();
    const folder = await orAborted(made, signal);
    if (folder !== undefined) return folder;
    made.then(
      (late) => this.#folders.remove(late),
      () => {},
    );
    throw reasonOf(signal);
  }

  #start(request: IsolatedRequest, options: RunOptions): QueryProcess {
    try {
      return new QueryProcess(request, options);
    } catch (error) {
      void this.#folders.remove(request.settings.tempDir);
      throw error;
    }
  }
}

class QueryProcess {
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #frames: AsyncGenerator<{ type: number; body: Uint8Array<ArrayBuffer> }>;
  /** Why we ended it, when we did. */
  #reason: PintailError | undefined;
  #end = "";
  #stderr = "";

  constructor(request: IsolatedRequest, { signal }: RunOptions) {
    const child = spawn(process.execPath, [...runtimeArguments(), CHILD], {
      env: environment(),
      stdio: "pipe",
    });
    this.#child = child;
    this.#frames = readFrames(child.stdout);
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS);
    });
    const onAbort = (): void => this.kill(reasonOf(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    this.ended = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#end = error.message;
        resolve();
      });
      child.once("close", (code, killedBy) => {
        this.#end ||= killedBy === null ? `exit code ${code}` : `signal ${killedBy}`;
        resolve();
      });
    });
    void this.ended.then(() => signal.removeEventListener("abort", onAbort));
    // It may have come while the folder was made; then no event follows.
    if (signal.aborted) onAbort();
    child.stdin.on("error", () => {}); // It ended before it read; `ended` tells more.
    child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  kill(reason: PintailError): void {
    this.#reason ??= reason;
    this.#child.kill("SIGKILL");
    // What nobody reads any more would keep it from being closed, and so the process from ending.
    this.#child.stdout.destroy();
  }

  async answer(): Promise<IsolatedAnswer> {
    await this.#next(); // `started`, or it throws.
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          const frame = await this.#next();
          if (frame.type === Frame.data) controller.enqueue(frame.body);
          else controller.close();
        },
        cancel: () => this.kill(canceled()),
      },
      { highWaterMark: 1 },
    );
    return { body, ended: this.ended };
  }

  /** The next frame that is no error. */
  async #next(): Promise<{ type: number; body: Uint8Array<ArrayBuffer> }> {
    const { value, done } = await this.#frames.next().catch((error) => {
      // Closed by us: that ends it like its process does.
      if (this.#reason === undefined) throw error;
      return { value: undefined, done: true } as const;
    });
    if (done === true) {
      await this.ended;
      throw this.#reason ?? this.#vanished();
    }
    if (value.type !== Frame.error) return value;
    const { kind, message } = JSON.parse(new TextDecoder().decode(value.body)) as FrameError;
    throw this.#reason ?? new PintailError(kind as ErrorKind, message, retryHint(kind));
  }

  #vanished(): Error {
    const cause = new Error(`the query's process ended: ${this.#end}; ${this.#stderr}`);
    if (this.#end === "signal SIGKILL") {
      const message = "the system ended the query's process, most likely for its memory";
      return new PintailError("limited", message, { cause, retryAfterMs: 1000 });
    }
    return new PintailError("internal", `the query ended its process (${this.#end})`, { cause });
  }
}

function retryHint(kind: string): { retryAfterMs?: number } {
  return kind === "limited" || kind === "unavailable" ? { retryAfterMs: 1000 } : {};
}

function reasonOf({ reason }: AbortSignal): PintailError {
  return isPintailError(reason) ? reason : canceled(reason);
}

function canceled(cause?: unknown): PintailError {
  return new PintailError("canceled", "query was canceled", { cause });
}

function runtimeArguments(): string[] {
  if (process.versions.deno !== undefined) return ["run", "-A", "--node-modules-dir=manual"];
  if (process.versions.bun !== undefined) return [];
  return [...process.execArgv, `--max-old-space-size=${CHILD_HEAP_MB}`];
}

/** Nothing of ours that a statement could come upon: no credentials, no settings. */
function environment(): Record<string, string> {
  const kept: Record<string, string> = { UV_THREADPOOL_SIZE: "4" };
  for (const name of ["PATH", "HOME", "TMPDIR", "DENO_DIR", "LD_LIBRARY_PATH", "SYSTEMROOT"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
