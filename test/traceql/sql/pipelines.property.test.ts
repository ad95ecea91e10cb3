import { afterAll, beforeAll, expect, test } from "vitest";
import { printField } from "../../../src/traceql/print.ts";
import { pipelineToSql } from "../../../src/traceql/sql/pipeline-to-sql.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { connected, evaluate, type ToySpan, type ToyValue } from "./naive-pipeline.ts";
import { plan } from "./run-pipeline.ts";
import { type Database, openTestDatabase } from "./stored-table.ts";

const SEED = testSeed();
const ROUNDS = 100;

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

/** A trace as it comes before the query is known: its shape, and a number that decides the rest. */
type Node = {
  readonly parent: number | undefined;
  readonly isRoot: boolean;
  readonly luck: number;
};

function randomTrace(random: () => number, size: number): Node[] {
  return Array.from({ length: size }, (_, i) => {
    const luck = Math.floor(random() * 2 ** 30);
    // Half of the spans hang below one of the last few, which makes long chains.
    const parent =
      random() < 0.5 ? Math.floor(random() * i) : Math.max(0, i - 1 - Math.floor(random() * 3));
    if (i === 0 || random() < 0.08) return { parent: undefined, isRoot: random() < 0.8, luck };
    return { parent, isRoot: false, luck };
  });
}

const VALUES: readonly ToyValue[] = [
  undefined,
  "x",
  true,
  0n,
  1n,
  2n,
  1.5,
  2,
  -3n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

/** Pure in the node's luck and the text of the filter or value. */
function toySpans(
  nodes: readonly Node[],
  firstRow: number,
  leaves: readonly string[],
  values: readonly string[],
): ToySpan[] {
  const spans: ToySpan[] = [];
  for (const [i, { parent, isRoot, luck }] of nodes.entries()) {
    const draw = seededRandom(luck);
    const draws = Array.from({ length: 12 }, () => draw());
    spans.push({
      row: firstRow + i,
      parent: parent === undefined ? undefined : spans[parent],
      isRoot,
      leaves: leaves.map((text) => {
        if (text === "true" || text === "false") return text === "true";
        return draws[Number(text.at(-1))]! < 0.4;
      }),
      values: values.map((text) => {
        const at = Number(text.at(-1));
        return VALUES[Math.floor(draws[6 + at]! * (at === 2 ? VALUES.length : 8))];
      }),
    });
  }
  return spans;
}

/** Numbers by a walk over the tree: left, right, parent. */
function nestedNumbers(spans: readonly ToySpan[]): Map<ToySpan, [number, number, number]> {
  const numbers = new Map<ToySpan, [number, number, number]>();
  let counter = 1;
  const visit = (span: ToySpan, parentLeft: number): void => {
    const left = counter++;
    for (const child of spans) if (child.parent === span) visit(child, left);
    numbers.set(span, [left, counter++, parentLeft]);
  };
  for (const span of spans) if (span.isRoot) visit(span, -1);
  for (const span of spans) if (!connected(span)) numbers.set(span, [0, 0, 0]);
  return numbers;
}

class Queries {
  readonly #random: () => number;
  constructor(random: () => number) {
    this.#random = random;
  }
  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  query(): string {
    if (this.#random() < 0.15) return this.#scalarComparison();
    const stages = [this.#pick([() => this.#spanset(3), () => this.#later()])()];
    if (!stages[0]!.includes("|")) {
      for (let i = this.#below(4); i > 0; i--)
        stages.push(
          this.#pick([() => this.#spanset(1), () => this.#later(), () => "coalesce()"])(),
        );
    }
    const first = stages[0]!;
    if (!first.includes("|") && this.#random() < 0.2) return this.#operated(2, stages.join(" | "));
    return stages.join(" | ");
  }

  #leaf(): string {
    return this.#pick([
      "{}",
      "{ span.l0 }",
      "{ span.l1 }",
      "{ span.l2 }",
      "{ span.l3 }",
      "{ false }",
    ]);
  }

  #spanset(depth: number): string {
    if (depth === 0 || this.#random() < 0.3) return this.#leaf();
    const op = this.#pick([
      "&&",
      "||",
      ">",
      ">>",
      "<",
      "<<",
      "~",
      "!>",
      "!>>",
      "!<",
      "!<<",
      "!~",
      "&>",
      "&>>",
      "&<",
      "&<<",
      "&~",
    ]);
    return `(${this.#spanset(depth - 1)} ${op} ${this.#spanset(depth - 1)})`;
  }

  /** A parenthesised pipeline beside something else. */
  #operated(depth: number, pipeline: string): string {
    const op = this.#pick(["&&", "||", ">", "!>>", "&<<", "!~", "<<"]);
    const coalesced = op === "&&" || op === "||" ? pipeline : `${pipeline} | coalesce()`;
    const other =
      this.#random() < 0.3 && depth > 0
        ? `(${this.#spanset(1)} | ${this.#later()} | coalesce())`
        : this.#spanset(1);
    const text =
      this.#random() < 0.5 ? `(${coalesced}) ${op} ${other}` : `${other} ${op} (${coalesced})`;
    return depth > 0 && this.#random() < 0.3 ? `(${text}) || ${this.#leaf()}` : text;
  }

  #later(): string {
    return this.#random() < 0.5
      ? `by(${this.#value()})`
      : `${this.#scalar(2)} ${this.#compare()} ${this.#random() < 0.5 ? this.#number() : this.#scalar(1)}`;
  }

  #scalarComparison(): string {
    const side = () =>
      `(${this.#spanset(1)}${this.#random() < 0.5 ? ` | ${this.#later()}` : ""} | ${this.#aggregate()})`;
    const right = this.#random() < 0.3 ? this.#number() : side();
    return `${side()}${this.#random() < 0.3 ? ` + ${side()}` : ""} ${this.#compare()} ${right}`;
  }

  #value(): string {
    return this.#pick(["span.v0", "span.v1", "span.v2"]);
  }
  #number(): string {
    return this.#pick(["0", "1", "2", "1.5", "-1"]);
  }
  #compare(): string {
    return this.#pick(["=", "!=", "<", "<=", ">", ">="]);
  }
  #aggregate(): string {
    const fn = this.#pick(["count", "count", "min", "max", "sum", "avg"]);
    return fn === "count" ? "count()" : `${fn}(${this.#value()})`;
  }
  #scalar(depth: number): string {
    if (depth === 0 || this.#random() < 0.7) return this.#aggregate();
    const op = this.#pick(["+", "-", "*", "/", "%", "^"]);
    return `(${this.#scalar(depth - 1)} ${op} ${this.#random() < 0.4 ? this.#number() : this.#scalar(depth - 1)})`;
  }
}

const ECHO = "STRUCT(s VARCHAR, i BIGINT, d DOUBLE, b BOOLEAN, j VARCHAR)";

function echo(value: ToyValue): string {
  switch (typeof value) {
    case "string":
      return `{'s': '${value}', 'i': NULL, 'd': NULL, 'b': NULL, 'j': NULL}::${ECHO}`;
    case "bigint":
      return `{'s': NULL, 'i': '${value}', 'd': NULL, 'b': NULL, 'j': NULL}::${ECHO}`;
    case "number":
      return `{'s': NULL, 'i': NULL, 'd': ${value}, 'b': NULL, 'j': NULL}::${ECHO}`;
    case "boolean":
      return `{'s': NULL, 'i': NULL, 'd': NULL, 'b': ${value}, 'j': NULL}::${ECHO}`;
    default:
      return `NULL::${ECHO}`;
  }
}

const TYPES = {
  stringValue: "string",
  intValue: "int",
  doubleValue: "double",
  boolValue: "boolean",
};

function shown(value: object): string {
  const [key, content] = Object.entries(value)[0]!;
  return `${TYPES[key as keyof typeof TYPES]} ${content}`;
}

/** Runs `query` over the traces both ways. */
async function check(query: string, traces: readonly (readonly Node[])[]): Promise<void> {
  const context = `seed ${SEED}: ${query}`;
  const pipeline = plan(query);
  const rows: string[] = [];
  const expected: string[] = [];
  let row = 0;
  for (const [t, nodes] of traces.entries()) {
    const spans = toySpans(
      nodes,
      row,
      pipeline.leaves.map(printField),
      pipeline.values.map(printField),
    );
    row += spans.length;
    const numbers = nestedNumbers(spans);
    for (const span of spans) {
      if (!pipeline.seeds.some((leaf) => span.leaves[leaf])) continue;
      rows.push(
        `(${[t, span.row, ...numbers.get(span)!, ...span.leaves, ...span.values.map(echo)].join(", ")})`,
      );
    }
    for (const set of evaluate(pipeline.stages, [{ spans, attributes: [] }])) {
      const ids = set.spans.map((span) => span.row).sort((a, b) => a - b);
      expected.push(`${t}: ${ids.join(" ")} [${set.attributes.join(", ")}]`);
    }
  }
  const columns = [
    "trace_id",
    "row_id",
    "nested_left",
    "nested_right",
    "nested_parent",
    ...pipeline.leaves.map((_, i) => `leaf${i}`),
    ...pipeline.values.map((_, i) => `value${i}`),
  ];
  if (rows.length === 0) {
    expect(expected, context).toEqual([]);
    return;
  }
  await db.run(
    `CREATE OR REPLACE TABLE base AS SELECT * FROM (VALUES ${rows.join(", ")}) AS t(${columns.join(", ")})`,
  );
  const full = pipelineToSql(pipeline, "base", { output: "spansets" });
  const names = full.attributes.map((_, i) => `attr${i}`);
  const found = new Map<string, { ids: number[]; attributes: string }>();
  for (const [trace, set, id, ...values] of await db.rows(
    `WITH ${full.ctes} SELECT ${["trace_id", "spanset", "row_id", ...names].join(", ")} FROM ${full.relation}`,
  )) {
    const attributes = full.attributes
      .map(({ name, decode }, i) => `${name}=${shown(decode(values[i]))}`)
      .join(", ");
    const known = found.get(`${trace} ${set}`) ?? { ids: [], attributes };
    expect(known.attributes, context).toBe(attributes);
    known.ids.push(Number(id));
    found.set(`${trace} ${set}`, known);
  }
  const actual = [...found].map(
    ([key, { ids, attributes }]) =>
      `${key.split(" ")[0]}: ${ids.sort((a, b) => a - b).join(" ")} [${attributes}]`,
  );
  expect(actual.sort(), context).toEqual(expected.sort());
  const spans = pipelineToSql(pipeline, "base", { output: "spans" });
  const ids = await db.rows(`WITH ${spans.ctes} SELECT row_id FROM ${spans.relation}`);
  expect(
    ids.map(([id]) => Number(id)).sort((a, b) => a - b),
    context,
  ).toEqual([...found.values()].flatMap((set) => set.ids).sort((a, b) => a - b));
  const only = pipelineToSql(pipeline, "base", { output: "traces" });
  const ofTraces = await db.rows(
    `WITH ${only.ctes} SELECT DISTINCT trace_id FROM ${only.relation} ORDER BY 1`,
  );
  expect(
    ofTraces.map(([id]) => Number(id)),
    context,
  ).toEqual(
    [...new Set([...found.keys()].map((key) => Number(key.split(" ")[0])))].sort((a, b) => a - b),
  );
}

test(`random pipelines over random traces give what their plain meaning does (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const queries = new Queries(random);
  for (let round = 0; round < ROUNDS; round++) {
    // One trace in twenty is wider than those that a plain join is for.
    const wide = random() < 0.05;
    const traces = Array.from({ length: wide ? 2 : 12 }, () =>
      randomTrace(random, wide ? 300 : 1 + Math.floor(random() * 9)),
    );
    await check(queries.query(), traces);
  }
}, 120_000);

test.each([">>", "<<", "!>>", "!<<", "&>>", "&<<"])(
  `%s gives the same in traces of any width (seed ${SEED})`,
  async (op) => {
    const random = seededRandom(SEED);
    for (const query of [`{ span.l0 } ${op} { span.l1 }`, `by(span.v0) | {} ${op} { span.l0 }`]) {
      await check(
        query,
        [1, 250, 400].map((size) => randomTrace(random, size)),
      );
    }
  },
  60_000,
);
