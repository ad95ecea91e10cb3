import { eventually, spansOf } from "./e2e-answers.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "./otlp-builder.ts";
import type { PintailProcess } from "./pintail-process.ts";

/** What has to become of an acknowledged span: `expires` says that it may be there until it settled. */
export type Fate = "kept" | "expires" | "redacted";

type Entry = {
  readonly tenant: string;
  readonly traceId: string;
  readonly startUnixNano: bigint;
  readonly fate: Fate;
  readonly acknowledged: boolean;
};

export type TraceInit = {
  readonly tenant: string;
  readonly ageMs?: number;
  readonly isError?: boolean;
  readonly fate?: Fate;
};

const SPANS_PER_TRACE = 3;

/** Sends traces and knows what a server must have of them. */
export class CrashLedger {
  /** By span id. */
  readonly #entries = new Map<string, Entry>();
  readonly #seed: string;
  #serial = 0;

  /** `seed`: some hex digits, so that ledgers have ids of their own. */
  constructor(seed: string) {
    this.#seed = seed;
  }

  get acknowledged(): number {
    return [...this.#entries.values()].filter(({ acknowledged }) => acknowledged).length;
  }

  /** One trace in one request. Does not throw when the server dies. */
  async push(pintail: PintailProcess, init: TraceInit): Promise<void> {
    const { tenant, ageMs = 0, isError = false, fate = "kept" } = init;
    const traceId = `${this.#seed}${(++this.#serial).toString(16).padStart(8, "0")}`.padStart(
      32,
      "c",
    );
    const startUnixNano = BigInt(Date.now() - ageMs) * 1_000_000n;
    const ids = Array.from({ length: SPANS_PER_TRACE }, (_, i) =>
      (this.#serial * 16 + i + 1).toString(16).padStart(16, "0"),
    );
    const spans = ids.map((id, i) =>
      aSpan({
        traceId: hex(traceId),
        spanId: hex(id),
        ...(i === 0 ? {} : { parentSpanId: hex(ids[0]!) }),
        name: nameOf(id),
        startTimeUnixNano: startUnixNano,
        endTimeUnixNano: startUnixNano + 1000n,
        attributes: attributes({ note: noteOf(id), secret: fate === "redacted" }),
        status: { code: isError ? 2 : 0 },
      }),
    );
    const headers = { "content-type": "application/x-protobuf", "x-scope-orgid": tenant };
    const set = (acknowledged: boolean) => {
      for (const id of ids) {
        this.#entries.set(id, { tenant, traceId, startUnixNano, fate, acknowledged });
      }
    };
    set(false);
    try {
      const { status } = await pintail.push(encodeRequest(aRequest(spans)), headers);
      if (status === 200) set(true);
    } catch {
      // It died: the spans may be there or not, but never twice.
    }
  }

  /**
   * Compares all spans of all tenants with what was acknowledged; the answer names what is wrong.
   * `hasSettled`: what expires is gone. `isRedacted`: the redaction was applied.
   */
  async wrongIn(
    pintail: PintailProcess,
    { hasSettled = false, isRedacted = false } = {},
  ): Promise<string[]> {
    const wrong: string[] = [];
    const tenants = new Set([...this.#entries.values()].map(({ tenant }) => tenant));
    const found = new Map<string, number>();
    for (const row of await rowsOf(pintail, [...tenants].join("|"))) {
      found.set(row.id, (found.get(row.id) ?? 0) + 1);
      const entry = this.#entries.get(row.id);
      if (entry === undefined) wrong.push(`${row.id}: never sent`);
      else if (!isSame(row, entry)) wrong.push(`${row.id}: altered: ${JSON.stringify(row)}`);
    }
    for (const [id, { tenant, fate, acknowledged }] of this.#entries) {
      const count = found.get(id) ?? 0;
      const mustBe = acknowledged && (fate === "kept" || (fate === "redacted" && !isRedacted));
      const mustNot = (fate === "expires" && hasSettled) || (fate === "redacted" && isRedacted);
      if (count > 1) wrong.push(`${id} of ${tenant}: ${count} times`);
      else if (count === 0 && mustBe) wrong.push(`${id} of ${tenant}: lost`);
      else if (count === 1 && mustNot) wrong.push(`${id} of ${tenant}: still there (${fate})`);
    }
    return [...wrong, ...(await this.#wrongTraces(pintail))];
  }

  /** By trace id, another way to read: the first and the last trace that must be there. */
  async #wrongTraces(pintail: PintailProcess): Promise<string[]> {
    const kept = [...this.#entries.values()].filter((e) => e.acknowledged && e.fate === "kept");
    const wrong: string[] = [];
    for (const { tenant, traceId } of new Set([kept[0], kept.at(-1)].flatMap((e) => e ?? []))) {
      const { length } = await spansOf(pintail, traceId, { "x-scope-orgid": tenant });
      if (length !== SPANS_PER_TRACE) wrong.push(`trace ${traceId} of ${tenant}: ${length} spans`);
    }
    return wrong;
  }
}

type Row = { id: string; trace: string; name: string; start: string; note: string | null };

const STATEMENT = `SELECT span_id_hex AS id, trace_id_hex AS trace, name,
  epoch_ns(start_time)::VARCHAR AS start, span_attributes::VARCHAR AS note FROM spans`;

/** What a query does not get the first time (its files expired under it) it gets the next time. */
async function rowsOf(pintail: PintailProcess, tenants: string): Promise<Row[]> {
  const headers = { accept: "application/json", "x-scope-orgid": tenants };
  const ask = async () => {
    const url = `${pintail.url}/api/sql`;
    const response = await fetch(url, { method: "POST", headers, body: STATEMENT });
    const text = await response.text();
    return response.status === 200 ? (JSON.parse(text) as Row[]) : text;
  };
  const rows = await eventually(`spans of ${tenants}`, ask, (answer) => typeof answer !== "string");
  return rows as Row[];
}

const nameOf = (id: string): string => `op ${id}`;
const noteOf = (id: string): string => `note of ${id}`;

function isSame(row: Row, entry: Entry): boolean {
  return (
    row.trace === entry.traceId &&
    row.name === nameOf(row.id) &&
    row.start === String(entry.startUnixNano) &&
    (row.note ?? "").includes(noteOf(row.id))
  );
}
