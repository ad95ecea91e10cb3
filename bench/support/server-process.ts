import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../test/support/free-ports.ts";
import { LAUNCHER_ENV, LAUNCHER_FLAGS } from "./as-launched.ts";
import { HttpClient } from "./http-get.ts";
import type { RuntimeName } from "./options.ts";
import { type ProcessUsage, processUsage } from "./process-usage.ts";
import { sleep } from "./progress.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const MAIN = join(ROOT, "src", "main.ts");
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const KEPT_OUTPUT_CHARS = 20_000;

export type Ports = {
  readonly http: number;
  readonly grpc: number;
  readonly otlpGrpc: number;
  readonly otlpHttp: number;
};

export type ServerOptions = {
  /** Data of the server, `wal` and `blocks` in it; made when it does not exist. */
  readonly dir: string;
  readonly runtime: RuntimeName;
  /** The program instead of `src/main.ts`. */
  readonly entry?: string;
  /** Further blocks of the settings file, as YAML text. */
  readonly yaml: string;
};

/** A Pintail of its own process and ports, with Tempo's settings file as an operator has it. */
export class ServerProcess {
  readonly ports: Ports;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #http = new HttpClient(2);
  readonly #exited: Promise<void>;
  #output = "";

  private constructor(child: ChildProcess, ports: Ports, pid: number) {
    this.#child = child;
    this.ports = ports;
    this.pid = pid;
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    this.#exited = new Promise((done) => child.once("exit", () => done()));
  }

  /** Resolves when `/ready` answers 200. */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    mkdirSync(options.dir, { recursive: true });
    const [http, grpc, otlpGrpc, otlpHttp] = await freePorts(4);
    const ports = { http: http!, grpc: grpc!, otlpGrpc: otlpGrpc!, otlpHttp: otlpHttp! };
    const file = join(options.dir, "bench.yaml");
    writeFileSync(file, yamlOf(ports, options));
    const [command, ...flags] = commandOf(options.runtime);
    const child = spawn(command!, [...flags, options.entry ?? MAIN, `-config.file=${file}`], {
      cwd: ROOT,
      // As the launcher starts it; queries hold threads of the pool.
      env: {
        NODE_COMPILE_CACHE: fileURLToPath(new URL("../../.runtime/compile-cache", import.meta.url)),
        ...LAUNCHER_ENV,
        ...process.env,
        UV_THREADPOOL_SIZE: "16",
        PINTAIL_LOG_LEVEL: "info",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const failed = new Promise<never>((_, reject) => child.once("error", reject));
    failed.catch(() => {});
    if (child.pid === undefined) return failed;
    const server = new ServerProcess(child, ports, child.pid);
    // A bench that is ended must not leave a server behind.
    const kill = (): void => {
      child.kill("SIGKILL");
    };
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    await Promise.race([server.#untilReady(), failed]);
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.ports.http}`;
  }

  /** Last lines of its log. */
  get output(): string {
    return this.#output;
  }

  usage(): ProcessUsage {
    return processUsage(this.pid);
  }

  /** Sum of the samples of each metric by name and by name with labels. */
  async metrics(): Promise<(name: string) => number> {
    const { status, body } = await this.#http.send(`${this.url}/metrics`);
    if (status !== 200) throw new Error(`/metrics: ${status}`);
    const sums = new Map<string, number>();
    for (const line of body.toString().split("\n")) {
      const match = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)/.exec(line);
      if (match === null) continue;
      const value = Number(match[3]);
      sums.set(match[1]!, (sums.get(match[1]!) ?? 0) + value);
      if (match[2] !== undefined) sums.set(match[1]! + match[2], value);
    }
    return (name) => sums.get(name) ?? 0;
  }

  /** Name and version of the runtime, as the server itself says. */
  async runtime(): Promise<string> {
    const { body } = await this.#http.send(`${this.url}/api/status/buildinfo`);
    const { goVersion } = JSON.parse(body.toString()) as { goVersion?: string };
    return goVersion ?? "";
  }

  /** SIGTERM, and after a while SIGKILL. The data stays. */
  async stop(): Promise<void> {
    this.#http.close();
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (performance.now() < deadline && this.#child.exitCode === null) {
      try {
        if ((await this.#http.send(`${this.url}/ready`)).status === 200) return;
      } catch {
        // Not listening yet.
      }
      await sleep(50);
    }
    this.#child.kill("SIGKILL");
    throw new Error(`the server did not become ready:\n${this.#output}`);
  }
}

/** `PINTAIL_BUN` and `PINTAIL_DENO` name the programs when they are not on the path. */
function commandOf(runtime: RuntimeName): string[] {
  switch (runtime) {
    case "node":
      return [process.execPath, "--disable-warning=ExperimentalWarning", ...LAUNCHER_FLAGS];
    case "bun":
      return [process.env.PINTAIL_BUN || "bun"];
    case "deno":
      return [process.env.PINTAIL_DENO || "deno", "run", "-A", "--node-modules-dir=manual"];
    default:
      return runtime satisfies never;
  }
}

function yamlOf(ports: Ports, { dir, yaml }: ServerOptions): string {
  return `server:
  http_listen_address: 127.0.0.1
  http_listen_port: ${ports.http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: ${ports.grpc}
distributor:
  receivers:
    otlp:
      protocols:
        grpc: { endpoint: "127.0.0.1:${ports.otlpGrpc}" }
        http: { endpoint: "127.0.0.1:${ports.otlpHttp}" }
storage:
  trace:
    backend: local
    wal: { path: ${JSON.stringify(join(dir, "wal"))} }
    local: { path: ${JSON.stringify(join(dir, "blocks"))} }
${yaml}`;
}
