import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { banner, datasourceYaml } from "./banner.ts";
import { startLoad } from "./load.ts";
import { usePintail } from "./pintail-server.ts";
import { requireFreePort } from "./ports.ts";
import type { DemoSettings } from "./settings.ts";
import { startShop } from "./shop.ts";

const FIRST_TRACE_TIMEOUT_MS = 60_000;
const EXPORT_DELAY_MS = 1_000;

/**
 * Server, shop and visitors, until `signal` aborts or a part fails. Stops all of them, in reverse,
 * before it settles. Rejects with an `Error` whose message says what to do.
 */
export async function runDemo(
  settings: DemoSettings,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const stops: (() => Promise<void>)[] = [];
  const canceled = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  try {
    await requireFreePort(settings.shopPort, "the shop's frontend", "PINTAIL_DEMO_SHOP_PORT");
    const server = await usePintail(settings);
    stops.push(server.stop);
    print(server.started ? `Pintail runs at ${server.url}` : `using the server at ${server.url}`);
    if (signal.aborted) return;
    const shop = await startShop({
      otlp: {
        grpcUrl: `http://localhost:${settings.otlpGrpcPort}`,
        httpUrl: `http://localhost:${settings.otlpHttpPort}`,
      },
      frontendPort: settings.shopPort,
      trouble: 1,
      exportDelayMs: EXPORT_DELAY_MS,
    });
    stops.push(shop.stop);
    print(`the shop is open at ${shop.frontendUrl}; waiting for its first trace`);
    const load = startLoad(shop.frontendUrl, settings.rate);
    stops.push(load.stop);
    const failed = Promise.race([server.failed, shop.failed, canceled]);

    const seen = firstTrace(server.url, () => load.lastTraceId, signal);
    const first = await Promise.race([seen, failed.then((how) => ({ failure: how }))]);
    if (signal.aborted) return;
    if (first.failure !== undefined) throw new Error(first.failure);
    if (!("traceId" in first)) return;
    mkdirSync(settings.dataDir, { recursive: true });
    const datasourceFile = join(settings.dataDir, "grafana-datasource.yaml");
    writeFileSync(datasourceFile, datasourceYaml(server.url));
    print(
      banner({
        url: server.url,
        traceId: first.traceId,
        frontendUrl: shop.frontendUrl,
        rate: settings.rate,
        datasourceFile,
      }),
    );
    const failure = await failed;
    if (failure !== undefined) throw new Error(failure);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

type FirstTrace = { readonly traceId: string; readonly failure?: undefined } | { failure: string };

/** Id of a purchase's trace that the server answers for. */
async function firstTrace(
  url: string,
  candidate: () => string | undefined,
  signal: AbortSignal,
): Promise<FirstTrace> {
  const deadline = performance.now() + FIRST_TRACE_TIMEOUT_MS;
  let status = "no purchase succeeded";
  while (performance.now() < deadline && !signal.aborted) {
    await sleep(500);
    const traceId = candidate();
    if (traceId === undefined) continue;
    try {
      const response = await fetch(`${url}/api/traces/${traceId}`, {
        signal: AbortSignal.timeout(5_000),
      });
      await response.body?.cancel();
      if (response.ok) return { traceId };
      status = `the latest trace, ${traceId}, answers ${response.status}`;
    } catch (error) {
      status = `the server does not answer: ${(error as Error).message}`;
    }
  }
  const seconds = FIRST_TRACE_TIMEOUT_MS / 1000;
  return { failure: `no trace of the shop was found at ${url} within ${seconds} s: ${status}` };
}
