import type { JaegerReceiverSettings, UdpReceiverSettings } from "../receivers/jaeger/settings.ts";
import type { KafkaReceiverSettings } from "../receivers/kafka/settings.ts";
import type {
  GrpcReceiverSettings,
  HttpReceiverSettings,
  OtlpReceiverSettings,
} from "../receivers/otlp/settings.ts";
import type { HttpDoorSettings } from "../receivers/shared/settings.ts";
import type { ZipkinReceiverSettings } from "../receivers/zipkin/settings.ts";
import type { TlsSettings } from "../server/settings.ts";
import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { kafkaReceiver } from "./kafka-receiver.ts";
import { type KeySpec, keyTree } from "./key-spec.ts";
import {
  jaegerReceiverKeys,
  kafkaReceiverKeys,
  otlpReceiverKeys,
  zipkinReceiverKeys,
} from "./keys/distributor.ts";
import { tlsVersion } from "./tls-version.ts";
import { refuseUnsupported, warnUnsupported } from "./treatments.ts";
import { isNull, type YamlNode } from "./yaml-tree.ts";

export type Receivers = {
  readonly otlp: OtlpReceiverSettings;
  readonly jaeger: JaegerReceiverSettings;
  readonly zipkin: ZipkinReceiverSettings | undefined;
  readonly kafka: readonly KafkaReceiverSettings[];
  readonly unsupported: readonly string[];
  readonly errors: readonly string[];
};

const OTLP_GRPC_ENDPOINT = "localhost:4317";
const OTLP_HTTP_ENDPOINT = "localhost:4318";
const JAEGER_GRPC_ENDPOINT = "localhost:14250";
const JAEGER_HTTP_ENDPOINT = "localhost:14268";
const JAEGER_COMPACT_ENDPOINT = "localhost:6831";
const JAEGER_BINARY_ENDPOINT = "localhost:6832";
const ZIPKIN_ENDPOINT = "localhost:9411";
const GRPC_DEFAULT_MIB = 4;
const UDP_QUEUE_SIZE = 1000;
const UDP_MAX_PACKET_BYTES = 65_000;
const PATH = "distributor.receivers";

/**
 * `distributor.receivers`: keys `type` or `type/name`. Without the key, or with an empty one, all
 * doors but the datagram ones are open on localhost, as senders of a first try expect. Otherwise a
 * receiver or protocol is on exactly when its key is present, with or without a value.
 */
export function readReceivers(node: YamlNode | undefined): Receivers {
  const found = new Collector();
  if (node === undefined || isNull(node) || (node.kind === "map" && node.entries.size === 0)) {
    found.usual();
  } else if (node.kind !== "map") {
    found.errors.push(`line ${node.line}: ${PATH} must be a map`);
  } else {
    for (const [name, { line, value }] of node.entries) found.receiver(name, line, value);
  }
  return found.result();
}

class Collector {
  readonly errors: string[] = [];
  readonly #unsupported: string[] = [];
  #grpc: GrpcReceiverSettings | undefined;
  #http: HttpReceiverSettings | undefined;
  #jaegerGrpc: GrpcReceiverSettings | undefined;
  #jaegerHttp: HttpDoorSettings | undefined;
  #jaegerCompact: UdpReceiverSettings | undefined;
  #jaegerBinary: UdpReceiverSettings | undefined;
  #zipkin: ZipkinReceiverSettings | undefined;
  readonly #kafka: KafkaReceiverSettings[] = [];

  result(): Receivers {
    return {
      otlp: { grpc: this.#grpc, http: this.#http },
      jaeger: {
        grpc: this.#jaegerGrpc,
        thriftHttp: this.#jaegerHttp,
        thriftCompact: this.#jaegerCompact,
        thriftBinary: this.#jaegerBinary,
      },
      zipkin: this.#zipkin,
      kafka: this.#kafka,
      unsupported: this.#unsupported,
      errors: this.errors,
    };
  }

  /** Tempo's usual doors, and OTLP/HTTP and Zipkin beside them. */
  usual(): void {
    this.otlp(new ConfigValues(otlpReceiverKeys, new Map()), ["grpc", "http"], "otlp", 0);
    const jaeger = new ConfigValues(jaegerReceiverKeys, new Map());
    this.#jaeger(jaeger, ["grpc", "thrift_http"], "jaeger", 0);
    this.#zipkinDoor(new ConfigValues(zipkinReceiverKeys, new Map()), "zipkin", 0);
  }

  receiver(name: string, line: number, node: YamlNode): void {
    const type = name.split("/", 1)[0] ?? "";
    const path = `${PATH}.${name}`;
    if (type === "otlp") {
      const values = this.#decode(node, otlpReceiverKeys, path);
      const protocols = this.#protocols(node, "OTLP", path, line);
      if (values !== undefined) this.otlp(values, protocols, path, line);
    } else if (type === "jaeger") {
      const values = this.#decode(node, jaegerReceiverKeys, path);
      const protocols = this.#protocols(node, "Jaeger", path, line);
      if (values !== undefined) this.#jaeger(values, protocols, path, line);
    } else if (type === "zipkin") {
      const values = this.#decode(node, zipkinReceiverKeys, path);
      if (values !== undefined) this.#zipkinDoor(values, path, line);
    } else if (type === "kafka") {
      const values = this.#decode(node, kafkaReceiverKeys, path);
      if (values === undefined) return;
      const report = (problem: string) => this.errors.push(`line ${line}: ${path}.${problem}`);
      this.#kafka.push(kafkaReceiver(name, values, node, report));
    } else if (type === "opencensus" && isNull(node)) {
      this.#unsupported.push(path);
    } else if (type === "opencensus") {
      this.errors.push(`line ${line}: ${path} is not supported`);
    } else {
      const known = "otlp, jaeger, zipkin, kafka";
      this.errors.push(`line ${line}: ${path}: unknown receiver type ${type}, known are ${known}`);
    }
  }

  otlp(values: ConfigValues, protocols: readonly string[], path: string, line: number): void {
    if (protocols.includes("grpc")) {
      if (this.#grpc !== undefined) this.#second("OTLP", path, "grpc", line);
      this.#grpc = this.#grpcDoor(values, path, line, OTLP_GRPC_ENDPOINT);
    }
    if (protocols.includes("http")) {
      if (this.#http !== undefined) this.#second("OTLP", path, "http", line);
      this.#http = this.#httpDoor(values, path, line);
    }
  }

  #jaeger(values: ConfigValues, protocols: readonly string[], path: string, line: number): void {
    // Two names of the type may not claim the same door.
    const claims = (protocol: string, taken: unknown): boolean => {
      if (!protocols.includes(protocol)) return false;
      if (taken !== undefined) this.#second("Jaeger", path, protocol, line);
      return true;
    };
    if (claims("grpc", this.#jaegerGrpc)) {
      this.#jaegerGrpc = this.#grpcDoor(values, path, line, JAEGER_GRPC_ENDPOINT);
    }
    if (claims("thrift_http", this.#jaegerHttp)) {
      const at = "protocols.thrift_http.";
      this.#jaegerHttp = this.#httpServer(values, at, path, line, JAEGER_HTTP_ENDPOINT);
    }
    if (claims("thrift_compact", this.#jaegerCompact)) {
      const at = "protocols.thrift_compact.";
      this.#jaegerCompact = this.#udpDoor(values, at, path, line, JAEGER_COMPACT_ENDPOINT);
    }
    if (claims("thrift_binary", this.#jaegerBinary)) {
      const at = "protocols.thrift_binary.";
      this.#jaegerBinary = this.#udpDoor(values, at, path, line, JAEGER_BINARY_ENDPOINT);
    }
  }

  #udpDoor(
    values: ConfigValues,
    at: string,
    path: string,
    line: number,
    defaultEndpoint: string,
  ): UdpReceiverSettings {
    const endpoint = endpointOf(values, at, defaultEndpoint);
    this.#checkEndpoint(endpoint, `${path}.${at}`, line);
    return {
      endpoint,
      queueSize: values.number(`${at}queue_size`) || UDP_QUEUE_SIZE,
      maxPacketBytes: values.number(`${at}max_packet_size`) || UDP_MAX_PACKET_BYTES,
      socketBufferBytes: values.number(`${at}socket_buffer_size`),
    };
  }

  #grpcDoor(
    values: ConfigValues,
    path: string,
    line: number,
    defaultEndpoint: string,
  ): GrpcReceiverSettings {
    const at = "protocols.grpc";
    const transport = values.text(`${at}.transport`) === "unix" ? "unix" : "tcp";
    const endpoint = endpointOf(values, `${at}.`, defaultEndpoint);
    if (transport === "tcp") this.#checkEndpoint(endpoint, `${path}.${at}.`, line);
    const mib = values.number(`${at}.max_recv_msg_size_mib`) || GRPC_DEFAULT_MIB;
    return {
      endpoint,
      transport,
      tls: this.#tls(values, `${at}.`, path, line),
      maxRecvMessageBytes: mib * 1024 * 1024,
      maxConcurrentStreams: values.number(`${at}.max_concurrent_streams`),
    };
  }

  #httpDoor(values: ConfigValues, path: string, line: number): HttpReceiverSettings {
    const at = "protocols.http";
    const route = values.text(`${at}.traces_url_path`) || "/v1/traces";
    return {
      ...this.#httpServer(values, `${at}.`, path, line, OTLP_HTTP_ENDPOINT),
      tracesUrlPath: route.startsWith("/") ? route : `/${route}`,
    };
  }

  #zipkinDoor(values: ConfigValues, path: string, line: number): void {
    if (this.#zipkin !== undefined) {
      this.errors.push(`line ${line}: ${path}: only one Zipkin receiver is supported`);
    }
    this.#zipkin = {
      ...this.#httpServer(values, "", path, line, ZIPKIN_ENDPOINT),
      parseStringTags: values.bool("parse_string_tags"),
    };
  }

  /** `at` is what stands before the keys: the protocol and a dot, or nothing. */
  #httpServer(
    values: ConfigValues,
    at: string,
    path: string,
    line: number,
    defaultEndpoint: string,
  ): HttpDoorSettings {
    const endpoint = endpointOf(values, at, defaultEndpoint);
    this.#checkEndpoint(endpoint, `${path}.${at}`, line);
    const allowedOrigins = values.list(`${at}cors.allowed_origins`);
    return {
      endpoint,
      tls: this.#tls(values, at, path, line),
      cors:
        allowedOrigins.length === 0
          ? undefined
          : {
              allowedOrigins,
              allowedHeaders: values.list(`${at}cors.allowed_headers`),
              maxAgeSeconds: values.number(`${at}cors.max_age`),
            },
      maxRequestBodyBytes: values.number(`${at}max_request_body_size`) || 20 * 1024 * 1024,
    };
  }

  /** A `tls` block without a certificate cannot be served, and plain text would open the door. */
  #tls(values: ConfigValues, at: string, path: string, line: number): TlsSettings | undefined {
    if (!values.hasAny(`${at}tls`)) return undefined;
    const text = (key: string) => values.text(`${at}tls.${key}`);
    const [certFile, keyFile] = [text("cert_file"), text("key_file")];
    if (certFile === "" || keyFile === "") {
      this.errors.push(`line ${line}: ${path}.${at}tls needs both cert_file and key_file`);
      return undefined;
    }
    const clientCaFile = text("client_ca_file") || undefined;
    return {
      certFile,
      keyFile,
      clientCaFile,
      clientAuthType: clientCaFile === undefined ? undefined : "RequireAndVerifyClientCert",
      minVersion: tlsVersion(text("min_version")),
      maxVersion: tlsVersion(text("max_version")),
    };
  }

  #decode(node: YamlNode, specs: readonly KeySpec[], path: string): ConfigValues | undefined {
    const { keys, errors } = decodeBlock(node, keyTree(specs), path);
    this.errors.push(...errors, ...refuseUnsupported(keys, `${path}.`));
    this.#unsupported.push(...warnUnsupported(keys, `${path}.`));
    return errors.length > 0 ? undefined : new ConfigValues(specs, keys);
  }

  /** The protocols that are named, whether or not they have a value. */
  #protocols(node: YamlNode, title: string, path: string, line: number): readonly string[] {
    const protocols = node.kind === "map" ? node.entries.get("protocols")?.value : undefined;
    const names = protocols?.kind === "map" ? [...protocols.entries.keys()] : [];
    if (names.length === 0) {
      const text = `must specify at least one protocol when using the ${title} receiver`;
      this.errors.push(`line ${line}: ${path}: ${text}`);
    }
    return names;
  }

  #second(title: string, path: string, protocol: string, line: number): void {
    const text = `only one ${title} receiver with protocol ${protocol} is supported`;
    this.errors.push(`line ${line}: ${path}: ${text}`);
  }

  #checkEndpoint(endpoint: string, path: string, line: number): void {
    if (splitHostPort(endpoint) !== undefined) return;
    this.errors.push(`line ${line}: ${path}endpoint "${endpoint}" is not of the form host:port`);
  }
}

function endpointOf(values: ConfigValues, at: string, defaultEndpoint: string): string {
  const given = values.value(`${at}endpoint`);
  return typeof given === "string" && given !== "" ? given : defaultEndpoint;
}

/** `host:port`, `:port` (all interfaces) or `[v6]:port`; undefined for anything else. */
export function splitHostPort(endpoint: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(endpoint);
  if (match === null) return undefined;
  const port = Number(match[3]);
  return port > 65535 ? undefined : { host: match[1] ?? match[2] ?? "", port };
}
