import { expect, test } from "vitest";
import { splitHostPort } from "../../src/config/receivers.ts";
import { LOCAL, load, loadError } from "./support.ts";

const withReceivers = (yaml: string) => `${LOCAL}distributor:\n  receivers: ${yaml}\n`;
const otlp = (yaml: string) => load(withReceivers(yaml)).settings.otlp;

test.each([undefined, "", "{}"])("receivers %j open OTLP on localhost", (yaml) => {
  const { settings } = load(yaml === undefined ? LOCAL : withReceivers(yaml));
  expect(settings.otlp.grpc?.endpoint).toBe("localhost:4317");
  expect(settings.otlp.http?.endpoint).toBe("localhost:4318");
});

test("a protocol is on exactly when its key is present", () => {
  expect(otlp("{ otlp: { protocols: { http: } } }")).toMatchObject({
    grpc: undefined,
    http: { endpoint: "localhost:4318" },
  });
  expect(otlp("{ otlp: { protocols: { grpc: {} } } }")).toMatchObject({
    grpc: { endpoint: "localhost:4317" },
    http: undefined,
  });
  expect(otlp("{ zipkin: }")).toEqual({ grpc: undefined, http: undefined });
});

test("fields of the OTLP doors arrive", () => {
  const { settings, warnings } = load(
    withReceivers(`
    otlp:
      protocols:
        grpc: { endpoint: /run/otlp.sock, transport: unix, max_recv_msg_size_mib: 16, max_concurrent_streams: 9, keepalive: { server_parameters: { time: 1s } } }
        http:
          endpoint: "[::]:4318"
          tls: { cert_file: c, key_file: k, client_ca_file: a, min_version: "1.3" }
          cors: { allowed_origins: ["https://*.x"], allowed_headers: [X], max_age: 60 }
          max_request_body_size: 5
          traces_url_path: t`),
  );
  expect(warnings).toEqual([]);
  expect(settings.otlp).toEqual({
    grpc: {
      endpoint: "/run/otlp.sock",
      transport: "unix",
      tls: undefined,
      maxRecvMessageBytes: 16 * 1024 * 1024,
      maxConcurrentStreams: 9,
    },
    http: {
      endpoint: "[::]:4318",
      tls: {
        certFile: "c",
        keyFile: "k",
        clientCaFile: "a",
        clientAuthType: "RequireAndVerifyClientCert",
        minVersion: "TLSv1.3",
        maxVersion: undefined,
      },
      cors: { allowedOrigins: ["https://*.x"], allowedHeaders: ["X"], maxAgeSeconds: 60 },
      maxRequestBodyBytes: 5,
      tracesUrlPath: "/t",
    },
  });
});

test("two names of one type are one set of doors, unless they claim the same one", () => {
  expect(
    otlp("{ otlp/a: { protocols: { grpc: } }, otlp/b: { protocols: { http: } } }"),
  ).toMatchObject({
    grpc: { endpoint: "localhost:4317" },
    http: { endpoint: "localhost:4318" },
  });
  expect(
    loadError(
      withReceivers("{ otlp: { protocols: { grpc: } }, otlp/b: { protocols: { grpc: } } }"),
    ),
  ).toContain("distributor.receivers.otlp/b: only one OTLP receiver with protocol grpc");
});

test("Jaeger's doors are on exactly when their keys are present, with Tempo's defaults", () => {
  expect(load(withReceivers("{ zipkin: }")).settings.jaeger).toEqual({
    grpc: undefined,
    thriftHttp: undefined,
    thriftCompact: undefined,
    thriftBinary: undefined,
  });
  const { settings, warnings } = load(
    withReceivers(
      "{ jaeger: { protocols: { grpc: , thrift_http: , thrift_compact: , thrift_binary: {} } } }",
    ),
  );
  expect(warnings).toEqual([]);
  expect(settings.otlp).toEqual({ grpc: undefined, http: undefined });
  const udp = { queueSize: 1000, maxPacketBytes: 65_000, socketBufferBytes: 0 };
  expect(settings.jaeger).toEqual({
    grpc: {
      endpoint: "localhost:14250",
      transport: "tcp",
      tls: undefined,
      maxRecvMessageBytes: 4 * 1024 * 1024,
      maxConcurrentStreams: 0,
    },
    thriftHttp: {
      endpoint: "localhost:14268",
      tls: undefined,
      cors: undefined,
      maxRequestBodyBytes: 20 * 1024 * 1024,
    },
    thriftCompact: { endpoint: "localhost:6831", ...udp },
    thriftBinary: { endpoint: "localhost:6832", ...udp },
  });
});

test("fields of Jaeger's doors arrive", () => {
  const { settings } = load(
    withReceivers(`
    jaeger:
      protocols:
        grpc: { endpoint: "0.0.0.0:1", max_recv_msg_size_mib: 16 }
        thrift_http: { endpoint: "0.0.0.0:2", max_request_body_size: 5 }
        thrift_compact: { endpoint: "0.0.0.0:3", queue_size: 7, max_packet_size: 1000, socket_buffer_size: 9, workers: 1 }
    jaeger/other: { protocols: { thrift_binary: { endpoint: "0.0.0.0:4" } } }`),
  );
  expect(settings.jaeger).toMatchObject({
    grpc: { endpoint: "0.0.0.0:1", maxRecvMessageBytes: 16 * 1024 * 1024 },
    thriftHttp: { endpoint: "0.0.0.0:2", maxRequestBodyBytes: 5 },
    thriftCompact: {
      endpoint: "0.0.0.0:3",
      queueSize: 7,
      maxPacketBytes: 1000,
      socketBufferBytes: 9,
    },
    thriftBinary: { endpoint: "0.0.0.0:4" },
  });
});

test.each(["", "distributor: { receivers: }", "distributor: { receivers: {} }"])(
  "without a receiver all doors but the datagram ones are open on localhost (%j)",
  (yaml) => {
    const { otlp, jaeger, zipkin } = load(`${LOCAL}${yaml}\n`).settings;
    const { grpc, thriftHttp, ...datagrams } = jaeger;
    const doors = [otlp.grpc, otlp.http, grpc, thriftHttp, zipkin];
    expect(doors.map((door) => door?.endpoint)).toEqual([
      "localhost:4317",
      "localhost:4318",
      "localhost:14250",
      "localhost:14268",
      "localhost:9411",
    ]);
    expect(datagrams).toEqual({ thriftCompact: undefined, thriftBinary: undefined });
  },
);

test("the Zipkin door is on exactly when its key is present", () => {
  expect(load(withReceivers("{ otlp: { protocols: { grpc: } } }")).settings.zipkin).toBeUndefined();
  const door = {
    endpoint: "localhost:9411",
    tls: undefined,
    cors: undefined,
    maxRequestBodyBytes: 20 * 1024 * 1024,
    parseStringTags: false,
  };
  expect(load(withReceivers("{ zipkin: }")).settings.zipkin).toEqual(door);
  const { settings, warnings } = load(
    withReceivers(
      `{ zipkin: { endpoint: "0.0.0.0:1", parse_string_tags: true, max_request_body_size: 5,
        cors: { allowed_origins: [x] }, tls: { cert_file: c, key_file: k }, idle_timeout: 1s } }`,
    ),
  );
  expect(warnings).toEqual([]);
  expect(settings.zipkin).toMatchObject({
    endpoint: "0.0.0.0:1",
    tls: { certFile: "c", keyFile: "k" },
    cors: { allowedOrigins: ["x"] },
    maxRequestBodyBytes: 5,
    parseStringTags: true,
  });
});

test("a block of OpenCensus without a value warns and does not prevent the start", () => {
  const { warnings } = load(withReceivers("{ opencensus: }"));
  expect(warnings).toEqual(["accepted but without effect: distributor.receivers.opencensus"]);
});

test.each([
  ["{ otlp: }", "must specify at least one protocol when using the OTLP receiver"],
  [
    "{ otlp: { protocols: {} } }",
    "must specify at least one protocol when using the OTLP receiver",
  ],
  [
    "{ jaeger: { protocols: } }",
    "must specify at least one protocol when using the Jaeger receiver",
  ],
  [
    "{ jaeger: { protocols: { grpc: } }, jaeger/b: { protocols: { grpc: } } }",
    "distributor.receivers.jaeger/b: only one Jaeger receiver with protocol grpc",
  ],
  [
    "{ jaeger: { protocols: { thrift_compact: { endpoint: h } } } }",
    '"h" is not of the form host:port',
  ],
  [
    "{ jaeger: { protocols: { thrift_binary: { max_packet_size: 70000 } } } }",
    "70000 is not between 0 and 65535",
  ],
  ["{ zipkin: { endpoint: h } }", 'distributor.receivers.zipkin.endpoint "h" is not of the form'],
  ["{ zipkin: { tls: { cert_file: x } } }", "zipkin.tls needs both cert_file and key_file"],
  ["{ zipkin: , zipkin/b: }", "zipkin/b: only one Zipkin receiver is supported"],
  ["{ nope: }", "unknown receiver type nope"],
  ["{ constructor: }", "unknown receiver type constructor"],
  ["{ opencensus: { endpoint: x } }", "distributor.receivers.opencensus is not supported"],
  [
    "{ otlp: { protocols: { grp: } } }",
    "field grp not found in type distributor.receivers.otlp.protocols (did you mean grpc?)",
  ],
  ["{ otlp: { protocols: { grpc: { endpiont: x } } } }", "did you mean endpoint?"],
  [
    "{ otlp: { protocols: { grpc: { auth: { authenticator: x } } } } }",
    "grpc.auth is not supported",
  ],
  ["{ otlp: { protocols: { http: { tls: { cert_pem: x } } } } }", "tls.cert_pem is not supported"],
  [
    "{ otlp: { protocols: { http: { tls: { cert_file: x } } } } }",
    "needs both cert_file and key_file",
  ],
  [
    "{ otlp: { protocols: { http: { tls: { client_ca_file: x } } } } }",
    "needs both cert_file and key_file",
  ],
  [
    "{ otlp: { protocols: { grpc: { endpoint: localhost } } } }",
    '"localhost" is not of the form host:port',
  ],
  ["{ otlp: { protocols: { grpc: { endpoint: 'h:99999' } } } }", "not of the form host:port"],
  ["[otlp]", "must be a map"],
])("%s refuses to start", (yaml, message) => {
  const text = loadError(withReceivers(yaml));
  expect(text).toContain("line ");
  expect(text).toContain(message);
});

test("an endpoint is a host and a port", () => {
  expect(splitHostPort("0.0.0.0:4317")).toEqual({ host: "0.0.0.0", port: 4317 });
  expect(splitHostPort(":4317")).toEqual({ host: "", port: 4317 });
  expect(splitHostPort("[::1]:1")).toEqual({ host: "::1", port: 1 });
  expect(splitHostPort("::1:1")).toBeUndefined();
  expect(splitHostPort("http://h:1")).toBeUndefined();
});
