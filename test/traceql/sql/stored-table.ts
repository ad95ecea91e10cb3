import { DuckDBInstance } from "@duckdb/node-api";
import {
  type AttributeScopeName,
  dedicatedColumn,
  EVENTS_COLUMN,
  EVENTS_TYPE,
  EXACT_TIME_COLUMNS,
  FIXED_COLUMNS,
  LINKS_COLUMN,
  LINKS_TYPE,
  OVERFLOW_VALUE_TYPE,
  overflowColumn,
  type StoredAttributeType,
} from "../../../src/schema/columns.ts";
import type { KeyScope, KeyStats, SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { quoteIdentifier, quoteLiteral, type SqlLiteral } from "../../../src/traceql/sql/sql.ts";

/** An attribute's value: int as bigint, double as number, anything else as OTLP/JSON text. */
export type TestValue = string | bigint | number | boolean | { readonly json: string };
export type TestAttributes = Readonly<Record<string, TestValue>>;

export type TestEvent = {
  readonly time: bigint;
  readonly name: string;
  readonly attributes: TestAttributes;
};
export type TestLink = {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  readonly spanId: bigint;
  readonly attributes: TestAttributes;
};

/** A span as its row says it, derived columns included. */
export type TestSpan = {
  readonly label: string;
  readonly traceId: string;
  readonly spanId: bigint;
  readonly parentSpanId: bigint | undefined;
  readonly start: bigint;
  readonly duration: bigint;
  readonly name: string;
  readonly kind: number;
  readonly status: number;
  readonly statusMessage: string;
  readonly traceDuration: bigint;
  readonly rootService: string;
  readonly rootName: string;
  readonly nested: readonly [number, number, number];
  readonly childCount: number;
  readonly scopeName: string;
  readonly scopeVersion: string;
  readonly attributes: TestAttributes;
  readonly resource: TestAttributes;
  readonly scope: TestAttributes;
  readonly events: readonly TestEvent[];
  readonly links: readonly TestLink[];
};

export const A_SPAN: TestSpan = {
  label: "",
  traceId: "000000000000000000000000000000ff",
  spanId: 1n,
  parentSpanId: undefined,
  start: 1_767_225_600_000_000_000n,
  duration: 0n,
  name: "",
  kind: 0,
  status: 0,
  statusMessage: "",
  traceDuration: 0n,
  rootService: "",
  rootName: "",
  nested: [0, 0, 0],
  childCount: 0,
  scopeName: "",
  scopeVersion: "",
  attributes: {},
  resource: {},
  scope: {},
  events: [],
  links: [],
};

export function typeOfValue(value: TestValue): StoredAttributeType {
  switch (typeof value) {
    case "string":
      return "string";
    case "bigint":
      return "int";
    case "number":
      return "double";
    case "boolean":
      return "bool";
    default:
      return "json";
  }
}

export function arrayOf(...values: readonly (string | bigint | number | boolean)[]): TestValue {
  const elements = values.map((value) => {
    switch (typeof value) {
      case "string":
        return { stringValue: value };
      case "bigint":
        return { intValue: value.toString() };
      case "number":
        return { doubleValue: Number.isFinite(value) ? value : nonFinite(value) };
      default:
        return { boolValue: value };
    }
  });
  return { json: JSON.stringify({ arrayValue: { values: elements } }) };
}

function nonFinite(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "Infinity" : "-Infinity";
}

export type Database = {
  run(sql: string): Promise<void>;
  rows(sql: string): Promise<unknown[][]>;
  close(): void;
};

export async function openTestDatabase(): Promise<Database> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  return {
    async run(sql) {
      await connection.run(sql);
    },
    async rows(sql) {
      return (await connection.runAndReadAll(sql)).getRowsJS() as unknown[][];
    },
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** Which attribute keys get a column of their own. */
export type Dedication = (scope: "span" | "resource", key: string) => boolean;

/** Creates table `name` in the stored form, holding `spans`, and says what a segment would. */
export async function createStoredTable(
  db: Database,
  name: string,
  spans: readonly TestSpan[],
  dedication: Dedication,
  exactTimes = false,
): Promise<SegmentMeta> {
  const layout = layoutOf(spans, dedication);
  const columns: [string, string][] = FIXED_COLUMNS.map((c) => [c.name, c.type]);
  for (const [column, type] of layout.optional) columns.push([column, type]);
  if (exactTimes) for (const column of EXACT_TIME_COLUMNS) columns.push([column, "UBIGINT"]);
  const ddl = columns.map(([column, type]) => `${quoteIdentifier(column).text} ${type}`);
  await db.run(`CREATE OR REPLACE TABLE ${name} (label VARCHAR, ${ddl.join(", ")})`);
  for (const span of spans) {
    const row = rowOf(span, layout, exactTimes);
    const names = [...row.keys()].map((column) => quoteIdentifier(column).text);
    await db.run(
      `INSERT INTO ${name} (${names.join(", ")}) VALUES (${[...row.values()].join(", ")})`,
    );
  }
  return metaOf(spans, layout, exactTimes);
}

type Layout = {
  /** Column name to SQL type. */
  readonly optional: ReadonlyMap<string, string>;
  /** `scope.key` to the type that has the key's own column. */
  readonly dedicated: ReadonlyMap<string, StoredAttributeType>;
};

function layoutOf(spans: readonly TestSpan[], dedication: Dedication): Layout {
  const optional = new Map<string, string>();
  const dedicated = new Map<string, StoredAttributeType>();
  const taken = new Set<string>();
  for (const span of spans) {
    for (const [scope, key, value] of storedAttributes(span)) {
      const type = typeOfValue(value);
      if (scope !== "instrumentation" && type !== "json" && dedication(scope, key)) {
        const column = dedicatedColumn(scope, key);
        const folded = column.toLowerCase();
        const mine = dedicated.get(column);
        if (mine === type) continue;
        if (mine === undefined && !taken.has(folded) && !key.includes("\0")) {
          taken.add(folded);
          dedicated.set(column, type);
          optional.set(column, OVERFLOW_VALUE_TYPE[type]);
          continue;
        }
      }
      optional.set(overflowColumn(scope, type), `MAP(VARCHAR, ${OVERFLOW_VALUE_TYPE[type]})`);
    }
    if (span.events.length > 0) optional.set(EVENTS_COLUMN, EVENTS_TYPE);
    if (span.links.length > 0) optional.set(LINKS_COLUMN, LINKS_TYPE);
  }
  return { optional, dedicated };
}

function storedAttributes(span: TestSpan): [AttributeScopeName, string, TestValue][] {
  const list: [AttributeScopeName, string, TestValue][] = [];
  for (const [key, value] of Object.entries(span.attributes)) list.push(["span", key, value]);
  for (const [key, value] of Object.entries(span.resource)) {
    // A string service.name rests in its fixed column; only an empty one is kept beside it.
    if (key === "service.name" && typeof value === "string" && value !== "") continue;
    list.push(["resource", key, value]);
  }
  for (const [key, value] of Object.entries(span.scope)) list.push(["instrumentation", key, value]);
  return list;
}

function rowOf(span: TestSpan, layout: Layout, exactTimes: boolean): Map<string, string> {
  const row = new Map<string, string>();
  const set = (column: string, value: SqlLiteral) => row.set(column, quoteLiteral(value));
  const service = span.resource["service.name"];
  set("label", span.label);
  set("trace_id", { uuid: span.traceId });
  set("span_id", span.spanId);
  if (span.parentSpanId !== undefined) set("parent_span_id", span.parentSpanId);
  row.set("trace_start", `make_timestamp_ns(${span.start})`);
  row.set("start_time", `make_timestamp_ns(${span.start})`);
  set("duration_ns", span.duration);
  set("service_name", typeof service === "string" ? service : "");
  set("name", span.name);
  set("kind", BigInt(span.kind));
  set("status", BigInt(span.status));
  set("status_message", span.statusMessage);
  set("trace_duration_ns", span.traceDuration);
  set("root_service_name", span.rootService);
  set("root_span_name", span.rootName);
  set("nested_left", BigInt(span.nested[0]));
  set("nested_right", BigInt(span.nested[1]));
  set("nested_parent", BigInt(span.nested[2]));
  set("child_count", BigInt(span.childCount));
  set("scope_name", span.scopeName);
  set("scope_version", span.scopeVersion);
  if (exactTimes) {
    set(EXACT_TIME_COLUMNS[0], span.start);
    set(EXACT_TIME_COLUMNS[1], span.start + span.duration);
  }
  const maps = new Map<string, string[]>();
  for (const [scope, key, value] of storedAttributes(span)) {
    const type = typeOfValue(value);
    const literal = quoteLiteral(typeof value === "object" ? value.json : value);
    if (scope !== "instrumentation") {
      const column = dedicatedColumn(scope, key);
      if (layout.dedicated.get(column) === type) {
        row.set(column, literal);
        continue;
      }
    }
    const column = overflowColumn(scope, type);
    const entries = maps.get(column) ?? [];
    entries.push(`${quoteLiteral(key)}: ${literal}`);
    maps.set(column, entries);
  }
  for (const [column, entries] of maps) {
    row.set(column, `CAST(MAP {${entries.join(", ")}} AS ${layout.optional.get(column)})`);
  }
  if (span.events.length > 0) {
    const items = span.events.map(
      (event) =>
        `{'time_unix_nano': ${event.time}, 'name': ${quoteLiteral(event.name)}, 'dropped_attributes_count': 0, 'attributes': ${attributeList(event.attributes)}}`,
    );
    row.set(EVENTS_COLUMN, `CAST([${items.join(", ")}] AS ${EVENTS_TYPE})`);
  }
  if (span.links.length > 0) {
    const items = span.links.map(
      (link) =>
        `{'trace_id': ${quoteLiteral({ uuid: link.traceId })}, 'span_id': ${link.spanId}, 'trace_state': '', 'flags': 0, 'dropped_attributes_count': 0, 'attributes': ${attributeList(link.attributes)}}`,
    );
    row.set(LINKS_COLUMN, `CAST([${items.join(", ")}] AS ${LINKS_TYPE})`);
  }
  return row;
}

function attributeList(attributes: TestAttributes): string {
  const fields: Record<StoredAttributeType, string> = {
    string: "str",
    int: "int",
    double: "double",
    bool: "bool",
    json: "json",
  };
  const items = Object.entries(attributes).map(([key, value]) => {
    const type = typeOfValue(value);
    const parts = (Object.keys(fields) as StoredAttributeType[]).map((candidate) => {
      const literal = quoteLiteral(typeof value === "object" ? value.json : value);
      const text = candidate === type ? literal : "NULL";
      return `'${fields[candidate]}': CAST(${text} AS ${OVERFLOW_VALUE_TYPE[candidate]})`;
    });
    return `{'key': ${quoteLiteral(key)}, ${parts.join(", ")}}`;
  });
  return items.length === 0 ? "[]" : `[${items.join(", ")}]`;
}

function metaOf(spans: readonly TestSpan[], layout: Layout, exactTimes: boolean): SegmentMeta {
  type Seen = {
    scope: KeyScope;
    key: string;
    type: StoredAttributeType;
    values: Map<string, number>;
  };
  const seen = new Map<string, Seen>();
  const see = (scope: KeyScope, key: string, value: TestValue) => {
    const type = typeOfValue(value);
    const id = `${scope}\0${key}\0${type}`;
    const entry = seen.get(id) ?? { scope, key, type, values: new Map<string, number>() };
    seen.set(id, entry);
    const text = typeof value === "object" ? value.json : String(value);
    entry.values.set(text, (entry.values.get(text) ?? 0) + 1);
  };
  for (const span of spans) {
    for (const [scope, key, value] of storedAttributes(span)) see(scope, key, value);
    const service = span.resource["service.name"];
    see("intrinsic", "service_name", typeof service === "string" ? service : "");
    see("intrinsic", "name", span.name);
    see("intrinsic", "kind", BigInt(span.kind));
    see("intrinsic", "status", BigInt(span.status));
    for (const event of span.events) {
      for (const [key, value] of Object.entries(event.attributes)) see("event", key, value);
    }
    for (const link of span.links) {
      for (const [key, value] of Object.entries(link.attributes)) see("link", key, value);
    }
  }
  const keys = [...seen.values()].map(({ scope, key, type, values }): KeyStats => {
    const complete = values.size <= 4;
    return {
      scope,
      key,
      type,
      count: [...values.values()].reduce((sum, n) => sum + n, 0),
      distinct: values.size,
      values: complete ? [...values.keys()] : [...values.keys()].slice(0, 4),
      complete,
      dedicated:
        (scope === "span" || scope === "resource") &&
        layout.dedicated.get(dedicatedColumn(scope, key)) === type,
    };
  });
  return {
    id: "01JGFJJZ000000000000000000",
    tenant: "single-tenant",
    formatVersion: 1,
    level: 1,
    rowCount: spans.length,
    traceCount: new Set(spans.map((span) => span.traceId)).size,
    byteSize: 0,
    minTraceStart: 0n,
    maxTraceStart: 0n,
    maxEnd: 0n,
    rowGroups: [],
    optionalColumns: [...layout.optional.keys(), ...(exactTimes ? EXACT_TIME_COLUMNS : [])],
    keys,
    walRange: undefined,
    replaces: [],
    createdUnixMs: 0,
    traceFilter: new Uint8Array(),
  };
}
