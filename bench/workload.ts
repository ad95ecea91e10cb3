import { create, toBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { type KeyValue, KeyValueSchema } from "../gen/opentelemetry/proto/common/v1/common_pb.ts";
import {
  type Span,
  Span_EventSchema,
  Span_LinkSchema,
  SpanSchema,
  StatusSchema,
} from "../gen/opentelemetry/proto/trace/v1/trace_pb.ts";

export type WorkloadOptions = {
  /** At least this many; the last trace is kept whole. */
  readonly spans: number;
  readonly seed: number;
  /** Spans per request, about; default 512. */
  readonly spansPerRequest?: number;
  /** Start of the first trace; default 2025-06-01. */
  readonly startUnixNano?: bigint;
  /** Traces start spread evenly over this; default 10 minutes. */
  readonly spreadNanos?: bigint;
};

/** Services in the order in which they tend to call each other. */
const SERVICES = [
  "frontend",
  "api-gateway",
  "checkout",
  "cart",
  "catalog",
  "payment",
  "shipping",
  "accounts",
  "search",
  "recommendation",
  "inventory",
  "notification",
] as const;

type Value = string | number | bigint | boolean;

/**
 * Requests like those of a small shop: 12 services, traces of 2 to 40 spans with parents, 11 to 13
 * attributes a span after the HTTP, database and messaging conventions, about 375 bytes a span, 4 %
 * errors, some events and links. The same seed gives the same bytes.
 */
export function makeRequests(options: WorkloadOptions): Uint8Array[] {
  const random = mulberry32(options.seed);
  const int = (below: number): number => Math.floor(random() * below);
  const pick = <T>(list: readonly T[]): T => list[int(list.length)]!;
  const id = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = int(256);
    bytes[0]! |= 1;
    return bytes;
  };
  const start = options.startUnixNano ?? 1_748_736_000_000_000_000n;
  const spread = options.spreadNanos ?? 600_000_000_000n;
  const perRequest = options.spansPerRequest ?? 512;

  const requests: Uint8Array[] = [];
  let pending = SERVICES.map((): Span[] => []);
  let pendingCount = 0;
  const flush = (): void => {
    const resourceSpans = pending.flatMap((spans, service) =>
      spans.length === 0
        ? []
        : [
            {
              resource: { attributes: resourceAttributes(service) },
              scopeSpans: [
                {
                  scope: { name: "shop.instrumentation", version: "2.9.0" },
                  spans,
                  schemaUrl: "https://opentelemetry.io/schemas/1.27.0",
                },
              ],
            },
          ],
    );
    requests.push(
      toBinary(
        ExportTraceServiceRequestSchema,
        create(ExportTraceServiceRequestSchema, { resourceSpans }),
      ),
    );
    pending = SERVICES.map(() => []);
    pendingCount = 0;
  };

  let made = 0;
  let previousTrace: { traceId: Uint8Array; spanId: Uint8Array } | undefined;
  while (made < options.spans) {
    const traceId = id(16);
    const size = random() < 0.5 ? 2 + int(8) : 2 + int(39);
    const traceStart =
      start + (spread * BigInt(Math.min(made, options.spans))) / BigInt(options.spans);
    const parents: { span: Span; service: number }[] = [];
    for (let i = 0; i < size; i++) {
      const parent = i === 0 ? undefined : parents[Math.max(0, parents.length - 1 - int(4))]!;
      const service =
        parent === undefined
          ? int(3)
          : random() < 0.5
            ? parent.service
            : Math.min(SERVICES.length - 1, parent.service + int(4));
      const span = makeSpan(traceId, parent?.span, traceStart, service);
      parents.push({ span, service });
      pending[service]!.push(span);
    }
    if (previousTrace !== undefined && random() < 0.1) {
      parents[0]!.span.links.push(
        create(Span_LinkSchema, { ...previousTrace, attributes: [kv("link.reason", "batch")] }),
      );
    }
    previousTrace = { traceId, spanId: parents[0]!.span.spanId };
    made += size;
    pendingCount += size;
    if (pendingCount >= perRequest) flush();
  }
  if (pendingCount > 0) flush();
  return requests;

  function makeSpan(
    traceId: Uint8Array,
    parent: Span | undefined,
    traceStart: bigint,
    service: number,
  ): Span {
    const begin = (parent?.startTimeUnixNano ?? traceStart) + BigInt(int(3_000_000));
    const duration = BigInt(50_000 + int(parent === undefined ? 400_000_000 : 40_000_000));
    const failed = random() < 0.04;
    const shape = parent === undefined ? 0 : int(10);
    const span = create(SpanSchema, {
      traceId,
      spanId: id(8),
      startTimeUnixNano: begin,
      endTimeUnixNano: begin + duration,
      flags: 0x101,
    });
    if (parent !== undefined) span.parentSpanId = parent.spanId;
    if (shape < 6) httpSpan(span, service, failed, parent === undefined || shape < 3);
    else if (shape < 9) dbSpan(span, service);
    else messageSpan(span, service);
    if (failed) {
      span.status = create(StatusSchema, {
        code: 2,
        message: pick(["deadline exceeded", "connection refused", "internal error"]),
      });
      span.events.push(
        create(Span_EventSchema, {
          timeUnixNano: begin + duration,
          name: "exception",
          attributes: [
            kv("exception.type", pick(["TimeoutError", "IOError", "StateError"])),
            kv("exception.message", `request ${int(100_000)} failed after ${int(30)} s`),
          ],
        }),
      );
    } else if (random() < 0.05) {
      span.events.push(
        create(Span_EventSchema, {
          timeUnixNano: begin + duration / 2n,
          name: "cache.miss",
          attributes: [kv("cache.key", `user:${int(5000)}`)],
        }),
      );
    }
    return span;
  }

  function httpSpan(span: Span, service: number, failed: boolean, server: boolean): void {
    const method = pick(["GET", "GET", "GET", "POST", "PUT"]);
    const route = pick(["/api/items/{id}", "/api/orders", "/api/users/{id}", "/healthz"]);
    span.kind = server ? 2 : 3;
    span.name = `${method} ${route}`;
    span.attributes.push(
      kv("http.request.method", method),
      kv("http.route", route),
      kv("http.response.status_code", failed ? 500 : pick([200, 200, 200, 201, 204, 404])),
      kv("url.path", route.replace("{id}", String(int(20_000)))),
      kv("url.scheme", "http"),
      kv("server.address", SERVICES[service]!),
      kv("server.port", 8080),
      kv("http.flavor", "1.1"),
      kv("http.agent", pick(["curl/8", "okhttp/4", "Mozilla"])),
      kv("net.peer.ip", `10.0.${int(4)}.${int(250)}`),
      kv("thread.id", int(64)),
    );
    if (random() < 0.5) span.attributes.push(kv("app.user.id", `u-${int(50_000)}`));
    if (random() < 0.3) span.attributes.push(kv("app.cached", random() < 0.5));
  }

  function dbSpan(span: Span, service: number): void {
    const table = pick(["orders", "users", "items", "stock"]);
    const operation = pick(["SELECT", "SELECT", "INSERT", "UPDATE"]);
    span.kind = 3;
    span.name = `${operation} shop.${table}`;
    span.attributes.push(
      kv("db.system.name", "postgresql"),
      kv("db.namespace", "shop"),
      kv("db.operation", operation),
      kv("db.table", table),
      kv("db.statement", `${operation} ${table} id=?`),
      kv("db.rows", int(50)),
      kv("server.address", `db-${service % 3}.shop`),
      kv("server.port", 5432),
      kv("thread.id", int(64)),
      kv("thread.name", `pool-${int(16)}`),
      kv("app.ratio", Math.round(random() * 1000) / 1000),
    );
    if (random() < 0.4) span.attributes.push(kv("app.retry", false));
  }

  function messageSpan(span: Span, service: number): void {
    const topic = pick(["order-events", "stock-events", "mail"]);
    span.kind = pick([4, 5]);
    span.name = `${topic} ${span.kind === 4 ? "publish" : "process"}`;
    span.attributes.push(
      kv("messaging.system", "kafka"),
      kv("messaging.operation", span.kind === 4 ? "publish" : "process"),
      kv("messaging.destination.name", topic),
      kv("messaging.partition", String(int(12))),
      kv("messaging.kafka.offset", BigInt(int(1_000_000_000))),
      kv("messaging.size", int(4000)),
      kv("messaging.group", `${SERVICES[service]}-group`),
      kv("messaging.client.id", `${SERVICES[service]}-${int(4)}`),
      kv("server.address", "kafka.shop"),
      kv("server.port", 9092),
      kv("thread.id", int(64)),
    );
  }

  function resourceAttributes(service: number): KeyValue[] {
    const name = SERVICES[service]!;
    return [
      kv("service.name", name),
      kv("service.version", `1.${service}.0`),
      kv("service.instance.id", `${name}-0`),
      kv("deployment.environment.name", "production"),
      kv("host.name", `node-${service % 4}`),
      kv("k8s.namespace.name", "shop"),
      kv("k8s.pod.name", `${name}-7d9f8b6c5d-x${service}`),
      kv("telemetry.sdk.language", "go"),
      kv("telemetry.sdk.name", "opentelemetry"),
      kv("telemetry.sdk.version", "1.28.0"),
      kv("process.pid", 1000 + service),
    ];
  }
}

function kv(key: string, value: Value): KeyValue {
  switch (typeof value) {
    case "string":
      return create(KeyValueSchema, {
        key,
        value: { value: { case: "stringValue", value } },
      });
    case "boolean":
      return create(KeyValueSchema, { key, value: { value: { case: "boolValue", value } } });
    case "bigint":
      return create(KeyValueSchema, { key, value: { value: { case: "intValue", value } } });
    default:
      return create(KeyValueSchema, {
        key,
        value: {
          value: Number.isInteger(value)
            ? { case: "intValue", value: BigInt(value) }
            : { case: "doubleValue", value },
        },
      });
  }
}

/** A small seeded generator of numbers in [0, 1). */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
