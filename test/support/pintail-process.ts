import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePorts } from "./free-ports.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const MAIN = join(ROOT, "src/main.ts");
const READY_TIMEOUT_MS = 30_000;

export type Ports = {
  readonly http: number;
  readonly grpc: number;
  readonly otlpGrpc: number;
  readonly otlpHttp: number;
  /** Open when `StartOptions.zipkin` is given. */
  readonly zipkin: number;
};

export type StartOptions = {
  /** Data of an earlier process; a new folder when absent. */
  readonly dir?: string;
  /** Further blocks of the settings file, as YAML text. */
  readonly extraYaml?: string;
  /** Keys of `storage.trace` that name where segments rest, instead of `backend: local`. */
  readonly backend?: string;
  /** Further keys of its `server` and `distributor` blocks, and of the OTLP/HTTP receiver. */
  readonly server?: string;
  readonly distributor?: string;
  /** Further receivers, as YAML text; the test chooses their ports. */
  readonly receivers?: string;
  readonly otlpHttp?: string;
  /** Opens the Zipkin door; further keys of its receiver, or "". */
  readonly zipkin?: string;
  /** Command line before `src/main.ts`; `PINTAIL_TEST_RUNTIME` or else this Node by default. */
  readonly runtime?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

/** The started program over real sockets, with a settings file and ports of its own. */
export class PintailProcess {
  readonly ports: Ports;
  readonly dir: string;
  readonly #child: ChildProcess;
  #output = "";
  readonly exited: Promise<number | null>;

  private constructor(child: ChildProcess, ports: Ports, dir: string) {
    this.ports = ports;
    this.dir = dir;
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-100_000);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    this.exited = new Promise((done) => child.once("exit", (code) => done(code)));
  }

  /** Resolves when `/ready` answers 200. */
  static async start(options: StartOptions = {}): Promise<PintailProcess> {
    const dir = options.dir ?? mkdtempSync(join(tmpdir(), "pintail-e2e-"));
    const [http, grpc, otlpGrpc, otlpHttp, zipkin] = (await freePorts(5)) as FivePorts;
    const ports = { http, grpc, otlpGrpc, otlpHttp, zipkin };
    const file = join(dir, "tempo.yaml");
    writeFileSync(file, yamlOf(ports, dir, options));
    const [command, ...before] = options.runtime ?? defaultRuntime();
    const child = spawn(command!, [...before, MAIN, `-config.file=${file}`], {
      cwd: dir,
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: "16",
        NODE_COMPILE_CACHE: join(tmpdir(), "pintail-e2e-compile-cache"),
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const pintail = new PintailProcess(child, ports, dir);
    try {
      await pintail.#untilReady();
    } catch (e) {
      // Nobody else knows of this folder.
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
      throw e;
    }
    return pintail;
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.http}`;
  }

  /** Whether the process has not ended. */
  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The signal that ended it, if one did. */
  get endedBy(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Last 100 kB of standard output and error. */
  get output(): string {
    return this.#output;
  }

  /** POSTs to `/v1/traces`. */
  async push(
    body: Uint8Array | string,
    headers: Record<string, string> = { "content-type": "application/x-protobuf" },
  ): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.ports.otlpHttp}/v1/traces`, {
      method: "POST",
      headers,
      body: body as Uint8Array<ArrayBuffer> | string,
    });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, { headers });
  }

  async json<T = unknown>(path: string, headers: Record<string, string> = {}): Promise<T> {
    const response = await this.get(path, { accept: "application/json", ...headers });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGKILL, as a crash; the data stays. */
  async kill(): Promise<void> {
    if (this.alive) this.#child.kill("SIGKILL");
    await this.exited;
  }

  /** SIGTERM; resolves with the exit code. The data stays. */
  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    return this.exited;
  }

  /** Ends the process and removes its data. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if (!this.alive) break;
      try {
        if ((await fetch(`${this.url}/ready`)).status === 200) return;
      } catch {
        // Not listening yet.
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    const { exitCode, signalCode } = this.#child;
    await this.kill();
    const end = signalCode === null ? `exit code ${exitCode}` : `ended by ${signalCode}`;
    throw new Error(`pintail did not become ready (${end}):\n${this.#output}`);
  }
}

type FivePorts = [number, number, number, number, number];

/** Words separated by spaces, as in `PINTAIL_TEST_RUNTIME="/usr/bin/deno run --allow-all"`. */
function defaultRuntime(): string[] {
  const given = process.env.PINTAIL_TEST_RUNTIME?.trim();
  return given === undefined || given === "" ? [process.execPath] : given.split(/\s+/);
}

function yamlOf(ports: Ports, dir: string, options: StartOptions): string {
  const { extraYaml = "", server = "", distributor = "", receivers = "", otlpHttp = "" } = options;
  return `server:
  http_listen_address: 127.0.0.1
  http_listen_port: ${ports.http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: ${ports.grpc}
${indented(2, server)}distributor:
  receivers:
    otlp:
      protocols:
        grpc: { endpoint: "127.0.0.1:${ports.otlpGrpc}" }
        http:
          endpoint: "127.0.0.1:${ports.otlpHttp}"
${indented(10, otlpHttp)}${zipkinYaml(ports, options)}${indented(4, receivers)}${indented(2, distributor)}storage:
  trace:
${indented(4, options.backend ?? "backend: local")}    wal: { path: "${dir}/wal" }
    local: { path: "${dir}/blocks" }
${extraYaml}`;
}

function zipkinYaml({ zipkin }: Ports, options: StartOptions): string {
  if (options.zipkin === undefined) return "";
  const keys = indented(6, options.zipkin);
  return `    zipkin:\n      endpoint: "127.0.0.1:${zipkin}"\n${keys}`;
}

function indented(spaces: number, lines: string): string {
  if (lines === "") return "";
  return lines.trimEnd().replace(/^/gm, " ".repeat(spaces)).concat("\n");
}
