/** `pintail demo`: a server, a small shop of instrumented services, visitors, and what to try. */
import { DEMO_VARIABLES, demoSettings } from "./demo/settings.ts";

const HELP = `pintail demo: runs Pintail with a small shop of instrumented services and visitors

A server that answers on the API port is used; else one is started. Ctrl-C stops everything.

Environment
${DEMO_VARIABLES.map(({ name, fallback, doc }) => `  ${name.padEnd(28)}${doc} (${fallback})`).join("\n")}
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== "demo" && arg !== "-h" && arg !== "--help");
  if (unknown !== undefined) {
    console.error(`pintail demo: unknown argument '${unknown}'\n\n${HELP}`);
    return 2;
  }
  if (args.includes("-h") || args.includes("--help")) {
    console.log(HELP);
    return 0;
  }
  const stopping = new AbortController();
  const stop = (): void => {
    if (!stopping.signal.aborted) console.error("stopping; again to stop at once");
    else process.exit(130);
    stopping.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  process.on("SIGHUP", stop);
  try {
    const settings = demoSettings(process.env);
    await requireSdk();
    const { runDemo } = await import("./demo/run-demo.ts");
    await runDemo(settings, stopping.signal, (text) => console.log(text));
    return 0;
  } catch (error) {
    console.error(`pintail demo: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** The shop needs the OpenTelemetry SDK, which an installation for production leaves out. */
async function requireSdk(): Promise<void> {
  try {
    await import("@opentelemetry/sdk-trace-node");
  } catch (cause) {
    throw new Error(
      "the OpenTelemetry SDK is not installed; run 'npm install' without --omit=dev",
      { cause },
    );
  }
}
