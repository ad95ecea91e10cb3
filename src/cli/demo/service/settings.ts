import type { ExportProtocol } from "../shop.ts";

/** What the supervisor tells a service, through its environment. */
export type ServiceSettings = {
  readonly name: string;
  readonly port: number;
  readonly exportProtocol: ExportProtocol;
  readonly exportUrl: string;
  readonly exportDelayMs: number;
  /** Base address of the service or of another one it calls. */
  peer(name: string): string;
  /** True with `probability`, more or less often as the demo's trouble setting says. */
  chance(probability: number): boolean;
  /** Milliseconds around `typicalMs`, with a long tail, as real latencies have. */
  latencyMs(typicalMs: number): number;
};

export function serviceSettings(env: NodeJS.ProcessEnv): ServiceSettings {
  const text = (name: string): string => {
    const value = env[name];
    if (value === undefined) throw new Error(`${name} is not set; the demo starts this script`);
    return value;
  };
  const peers = new Map(Object.entries(JSON.parse(text("SHOP_PEERS")) as Record<string, string>));
  const trouble = Number(text("SHOP_TROUBLE"));
  return {
    name: text("SHOP_SERVICE"),
    port: Number(text("SHOP_PORT")),
    exportProtocol: text("SHOP_EXPORT_PROTOCOL") as ExportProtocol,
    exportUrl: text("SHOP_EXPORT_URL"),
    exportDelayMs: Number(text("SHOP_EXPORT_DELAY_MS")),
    peer: (name) => {
      const url = peers.get(name);
      if (url === undefined) throw new Error(`the service does not know the address of ${name}`);
      return url;
    },
    chance: (probability) => Math.random() < probability * trouble,
    latencyMs: (typicalMs) => typicalMs * (0.5 - Math.log(1 - Math.random()) / 2),
  };
}
