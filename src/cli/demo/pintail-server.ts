import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "./child.ts";
import { requireFreePort } from "./ports.ts";
import type { DemoSettings } from "./settings.ts";

export type PintailServer = {
  readonly url: string;
  /** False when it was running before the demo. */
  readonly started: boolean;
  /** Resolves when a server that the demo started ends by itself. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
};

const READY_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 15_000;
const LOG_LINES_SHOWN = 12;

/** Uses the server that answers on the API port, or starts one with a data folder of its own. */
export async function usePintail(settings: DemoSettings): Promise<PintailServer> {
  const url = `http://localhost:${settings.httpPort}`;
  if (await isReady(url)) {
    return { url, started: false, failed: new Promise(() => {}), stop: async () => {} };
  }
  await requireFreePort(settings.httpPort, "Pintail's API", "PINTAIL_DEMO_HTTP_PORT");
  await requireFreePort(settings.otlpGrpcPort, "OTLP over gRPC", "PINTAIL_DEMO_OTLP_GRPC_PORT");
  await requireFreePort(settings.otlpHttpPort, "OTLP over HTTP", "PINTAIL_DEMO_OTLP_HTTP_PORT");

  const dataDir = resolve(settings.dataDir);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, ".gitignore"), "*\n");
  const configFile = join(dataDir, "pintail.yaml");
  writeFileSync(configFile, configYaml(settings));
  const logFile = join(dataDir, "pintail.log");
  const logFd = openSync(logFile, "w");
  const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
  // Queries hold threads of this pool, so it must be larger than Node's four.
  const env = {
    UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? "16",
    PINTAIL_DATA_DIR: join(dataDir, "data"),
  };
  const child = startChild("Pintail", main, [`-config.file=${configFile}`], {
    env,
    logFd,
    detached: true,
  });
  closeSync(logFd);
  // A process group of its own outlives this process, unless it is ended here.
  const endWithUs = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(child.pid, "SIGTERM");
    } catch {
      // It has ended already.
    }
  };
  process.once("exit", endWithUs);
  const stop = async (): Promise<void> => {
    stopping = true;
    await child.stop(STOP_GRACE_MS);
    process.off("exit", endWithUs);
  };
  let stopping = false;
  const failed = new Promise<string>((done) => {
    void child.ended.then((how) => {
      if (!stopping) done(`Pintail ended (${how}); the end of ${logFile}:\n${logTail(logFile)}`);
    });
  });
  await waitUntilReady(url, child, failed).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { url, started: true, failed, stop };
}

async function waitUntilReady(url: string, child: Child, failed: Promise<string>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let failure: string | undefined;
  void failed.then((how) => {
    failure = how;
  });
  while (!(await isReady(url))) {
    if (failure !== undefined) throw new Error(failure);
    if (performance.now() > deadline) {
      throw new Error(`${child.name} was not ready within ${READY_TIMEOUT_MS / 1000} s`);
    }
    await sleep(200);
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function configYaml(settings: DemoSettings): string {
  return `# Written anew by each run of the demo.
server:
  http_listen_port: ${settings.httpPort}
stream_over_http_enabled: true
distributor:
  receivers:
    otlp:
      protocols:
        grpc: { endpoint: "localhost:${settings.otlpGrpcPort}" }
        http: { endpoint: "localhost:${settings.otlpHttpPort}" }
`;
}

function logTail(file: string): string {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines
    .slice(-LOG_LINES_SHOWN)
    .map((line) => `  ${line.slice(0, 400)}`)
    .join("\n");
}
