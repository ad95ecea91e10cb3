/** Visitors of the shop, uninstrumented like browsers: their traces begin in the frontend. */
export type Load = {
  /** Trace id (hex) of the latest purchase that succeeded. */
  readonly lastTraceId: string | undefined;
  readonly visits: number;
  readonly failures: number;
  stop(): Promise<void>;
};

/** Visits under way at once; more wait for a free place, so a stuck shop is not flooded. */
const MAX_UNDER_WAY = 64;
const VISIT_TIMEOUT_MS = 10_000;

const VISITS: readonly { readonly weight: number; readonly paths: readonly string[] }[] = [
  { weight: 5, paths: ["GET /products"] },
  { weight: 3, paths: ["GET /products", "GET /product/{product}"] },
  { weight: 4, paths: ["GET /product/{product}", "POST /cart/{user}", "POST /checkout/{user}"] },
  { weight: 1, paths: ["GET /product/p-unknown"] },
];

export function startLoad(frontendUrl: string, ratePerSecond: number): Load {
  const state = { lastTraceId: undefined as string | undefined, visits: 0, failures: 0 };
  const underWay = new Set<Promise<void>>();
  const stopped = new AbortController();
  const timer = setInterval(() => {
    if (underWay.size >= MAX_UNDER_WAY) return;
    state.visits++;
    const visit = visitOnce(frontendUrl, stopped.signal, state).finally(() =>
      underWay.delete(visit),
    );
    underWay.add(visit);
  }, 1000 / ratePerSecond);
  return {
    get lastTraceId() {
      return state.lastTraceId;
    },
    get visits() {
      return state.visits;
    },
    get failures() {
      return state.failures;
    },
    stop: async () => {
      clearInterval(timer);
      stopped.abort();
      await Promise.all(underWay);
    },
  };
}

async function visitOnce(
  frontendUrl: string,
  signal: AbortSignal,
  state: { lastTraceId: string | undefined; failures: number },
): Promise<void> {
  const user = `u-${Math.floor(Math.random() * 500)}`;
  const product = `p-${1 + Math.floor(Math.random() * 12)}`;
  try {
    for (const step of pickVisit()) {
      const [method, path] = step.split(" ") as [string, string];
      const url = frontendUrl + path.replace("{user}", user).replace("{product}", product);
      const response = await fetch(url, {
        method,
        ...(path.startsWith("/cart")
          ? { body: JSON.stringify({ product, quantity: 1 + Math.floor(Math.random() * 3) }) }
          : {}),
        headers: { "content-type": "application/json", "user-agent": "shop-visitor/1.0" },
        signal: AbortSignal.any([signal, AbortSignal.timeout(VISIT_TIMEOUT_MS)]),
      });
      await response.body?.cancel();
      if (response.status >= 500) state.failures++;
      if (response.ok && path.startsWith("/checkout")) {
        state.lastTraceId = response.headers.get("x-trace-id") ?? state.lastTraceId;
      }
      if (!response.ok) return;
    }
  } catch {
    if (!signal.aborted) state.failures++; // The frontend's own failure is seen by the supervisor.
  }
}

function pickVisit(): readonly string[] {
  const total = VISITS.reduce((sum, visit) => sum + visit.weight, 0);
  let at = Math.random() * total;
  for (const visit of VISITS) {
    at -= visit.weight;
    if (at < 0) return visit.paths;
  }
  return VISITS[0]!.paths;
}
