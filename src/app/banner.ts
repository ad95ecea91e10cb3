import type { Settings } from "../config/settings.ts";
import type { BucketSettings } from "../storage/settings.ts";
import { VERSION } from "../version.ts";
import type { Doors } from "./doors.ts";

/** What stands before the port of each. */
const JAEGER_DOORS = [
  ["jaeger/grpc", "gRPC http://localhost:"],
  ["jaeger/thrift_http", "http://localhost:"],
  ["jaeger/thrift_compact", "UDP, compact, localhost:"],
  ["jaeger/thrift_binary", "UDP, binary, localhost:"],
] as const;

function bucketText({ store }: BucketSettings): string {
  switch (store.backend) {
    case "local":
      return store.local.path;
    case "s3":
      return `s3://${store.s3.bucket}/${store.s3.prefix}`;
    case "gcs":
      return `gs://${store.gcs.bucket}/${store.gcs.prefix}`;
    default:
      return store satisfies never;
  }
}

/** What a person wants to know at the start: where to send, where to look, where data lies. */
export function banner(settings: Settings, doors: Doors["listeners"]): string {
  const port = (name: string) => doors.find((door) => door.name === name)?.port;
  const host = (address: string) =>
    address === "" || address === "0.0.0.0" ? "localhost" : address;
  const door = (what: string, url: string) =>
    `  ${(lines.length === 1 ? "send traces" : "").padEnd(13)}  ${what.padEnd(9)}  ${url}`;
  const lines: string[] = [`Pintail ${VERSION} is ready`];
  const grpc = port("otlp/grpc");
  const http = port("otlp/http");
  if (grpc !== undefined) lines.push(door("OTLP/gRPC", `http://localhost:${grpc}`));
  if (http !== undefined) lines.push(door("OTLP/HTTP", `http://localhost:${http}`));
  const zipkin = port("zipkin");
  if (zipkin !== undefined) lines.push(door("Zipkin", `http://localhost:${zipkin}`));
  for (const [name, url] of JAEGER_DOORS) {
    const open = port(name);
    if (open !== undefined) lines.push(door("Jaeger", `${url}${open}`));
  }
  const scheme = settings.server.httpTls === undefined ? "http" : "https";
  const url = `${scheme}://${host(settings.server.httpListenAddress)}:${port("http")}`;
  lines.push(
    `  Grafana        data source of type Tempo, URL ${url}${settings.server.httpPathPrefix}`,
    `  data           ${settings.ingest.segmentDir} (write-ahead log: ${settings.ingest.walDir})`,
  );
  if (settings.bucket !== undefined) lines.push(`  bucket         ${bucketText(settings.bucket)}`);
  return `${lines.join("\n")}\n`;
}
