import { fileURLToPath } from "node:url";
import { type Child, startChild } from "./child.ts";

export type OtlpTarget = {
  /** e.g. `http://localhost:4317`. */
  readonly grpcUrl: string;
  /** e.g. `http://localhost:4318`. */
  readonly httpUrl: string;
};

export type ExportProtocol = "grpc" | "http/protobuf" | "http/json" | "none";

type Member = {
  readonly name: string;
  readonly protocol: ExportProtocol;
  /** Members it calls: started before it, their addresses handed to it. */
  readonly calls: readonly string[];
};

/** The broker is like most real ones: it carries trace context and reports nothing itself. */
export const SHOP: readonly Member[] = [
  { name: "shop-db", protocol: "http/json", calls: [] },
  { name: "broker", protocol: "none", calls: [] },
  { name: "inventory", protocol: "http/protobuf", calls: ["shop-db"] },
  { name: "payment", protocol: "http/json", calls: [] },
  { name: "cart", protocol: "http/protobuf", calls: ["shop-db", "inventory"] },
  {
    name: "checkout",
    protocol: "grpc",
    calls: ["cart", "payment", "inventory", "shop-db", "broker"],
  },
  { name: "shipping-worker", protocol: "grpc", calls: ["broker", "shop-db", "inventory"] },
  { name: "frontend", protocol: "grpc", calls: ["cart", "checkout", "inventory"] },
];

export type Shop = {
  readonly frontendUrl: string;
  /** Resolves with what happened when a service ends that nobody stopped. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
};

export type ShopOptions = {
  readonly otlp: OtlpTarget;
  /** 0 = a free one. */
  readonly frontendPort: number;
  /** Multiplies how often things go wrong or slow; 1 is normal. */
  readonly trouble: number;
  /** Spans wait this long for company before they are exported. */
  readonly exportDelayMs: number;
};

const START_TIMEOUT_MS = 30_000;
/** Long enough to flush the last spans. */
const STOP_GRACE_MS = 5_000;

/** Starts the services in order of dependence; stops all when one does not come up. */
export async function startShop(options: ShopOptions): Promise<Shop> {
  const script = fileURLToPath(new URL("./service/main.ts", import.meta.url));
  const children: Child[] = [];
  const urls = new Map<string, string>();
  let stopping = false;
  let fail: (how: string) => void = () => {};
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    // Callers first, so that nobody is left calling a service that is gone.
    for (const child of [...children].reverse()) await child.stop(STOP_GRACE_MS);
  };
  try {
    for (const member of SHOP) {
      const child = startChild(member.name, script, [], {
        env: serviceEnvironment(member, options, urls),
      });
      children.push(child);
      const port = await child.line(listeningPort, START_TIMEOUT_MS);
      urls.set(member.name, `http://127.0.0.1:${port}`);
      void child.ended.then((how) => {
        if (!stopping) fail(`the shop's service ${member.name} ended: ${how}`);
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { frontendUrl: urls.get("frontend")!, failed, stop };
}

function serviceEnvironment(
  member: Member,
  options: ShopOptions,
  urls: ReadonlyMap<string, string>,
): Record<string, string> {
  const peers = Object.fromEntries(member.calls.map((name) => [name, urls.get(name)!]));
  const { grpcUrl, httpUrl } = options.otlp;
  return {
    SHOP_SERVICE: member.name,
    SHOP_PORT: String(member.name === "frontend" ? options.frontendPort : 0),
    SHOP_PEERS: JSON.stringify(peers),
    SHOP_TROUBLE: String(options.trouble),
    SHOP_EXPORT_PROTOCOL: member.protocol,
    SHOP_EXPORT_URL: member.protocol === "grpc" ? grpcUrl : `${httpUrl}/v1/traces`,
    SHOP_EXPORT_DELAY_MS: String(options.exportDelayMs),
  };
}

function listeningPort(line: string): number | undefined {
  const match = /^listening (\d+)$/.exec(line);
  return match === null ? undefined : Number(match[1]);
}
