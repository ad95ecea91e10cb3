export type DemoSettings = {
  /** Port of Pintail's API; a server that answers `/ready` there is used, else one is started. */
  readonly httpPort: number;
  readonly otlpGrpcPort: number;
  readonly otlpHttpPort: number;
  /** Port of the shop's frontend; the other services take free ones. */
  readonly shopPort: number;
  /** Visits to the shop per second. */
  readonly rate: number;
  readonly dataDir: string;
};

export type DemoVariable = {
  readonly name: string;
  readonly fallback: string;
  readonly doc: string;
};

export const DEMO_VARIABLES: readonly DemoVariable[] = [
  { name: "PINTAIL_DEMO_HTTP_PORT", fallback: "3200", doc: "Pintail's API" },
  { name: "PINTAIL_DEMO_OTLP_GRPC_PORT", fallback: "4317", doc: "OTLP over gRPC" },
  { name: "PINTAIL_DEMO_OTLP_HTTP_PORT", fallback: "4318", doc: "OTLP over HTTP" },
  { name: "PINTAIL_DEMO_SHOP_PORT", fallback: "8080", doc: "the shop's frontend" },
  { name: "PINTAIL_DEMO_RATE", fallback: "3", doc: "visits per second, 0.1 to 200" },
  { name: "PINTAIL_DEMO_DATA_DIR", fallback: "pintail-demo-data", doc: "the demo's data folder" },
];

/** Throws an `Error` that names the variable when a value is no port or rate. */
export function demoSettings(env: Readonly<Record<string, string | undefined>>): DemoSettings {
  const text = (name: string): string => {
    const given = env[name]?.trim();
    if (given !== undefined && given !== "") return given;
    return DEMO_VARIABLES.find((variable) => variable.name === name)!.fallback;
  };
  const number = (name: string, min: number, max: number): number => {
    const value = Number(text(name));
    if (value >= min && value <= max) return value;
    throw new Error(`${name} is '${text(name)}', it must be a number from ${min} to ${max}`);
  };
  const port = (name: string): number => {
    const value = number(name, 1, 65_535);
    if (Number.isInteger(value)) return value;
    throw new Error(`${name} is '${text(name)}', a port is a whole number`);
  };
  const settings = {
    httpPort: port("PINTAIL_DEMO_HTTP_PORT"),
    otlpGrpcPort: port("PINTAIL_DEMO_OTLP_GRPC_PORT"),
    otlpHttpPort: port("PINTAIL_DEMO_OTLP_HTTP_PORT"),
    shopPort: port("PINTAIL_DEMO_SHOP_PORT"),
    rate: number("PINTAIL_DEMO_RATE", 0.1, 200),
    dataDir: text("PINTAIL_DEMO_DATA_DIR"),
  };
  const ports = [
    settings.httpPort,
    settings.otlpGrpcPort,
    settings.otlpHttpPort,
    settings.shopPort,
  ];
  if (new Set(ports).size < ports.length) {
    throw new Error(`the demo's ports must differ: ${ports.join(", ")}`);
  }
  return settings;
}
