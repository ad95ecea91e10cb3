import { expect, test } from "vitest";
import { parseQuery } from "../../src/traceql/parser.ts";
import { printQuery } from "../../src/traceql/print.ts";
import {
  BARE_INTRINSICS,
  METRICS_OF_FIELD,
  METRICS_WITHOUT_FIELD,
  SCOPED_INTRINSICS,
} from "../../src/traceql/words.ts";
import { seededRandom, testSeed } from "../support/random.ts";

const SEED = testSeed();

const SET_OPS = "&& || > >> < << ~ !> !>> !< !<< !~ &> &>> &< &<< &~".split(" ");
const FIELD_OPS = "&& || = != < <= > >= =~ !~ + - * / % ^".split(" ");
const ARITHMETIC = "+ - * / % ^".split(" ");
const COMPARE = "= != < <= > >=".split(" ");
const SCOPES =
  ". span. resource. event. link. instrumentation. parent. parent.span. parent.resource.";
const KEYS = [
  "a",
  "http.status_code",
  "x-y/z+1",
  '"my key".b',
  '"\\"\\\\"',
  '"5xx"',
  "émoji😀",
  '"span.a"',
];
const STATICS = [
  ..."true false ok error unset unspecified internal server client producer consumer".split(" "),
  ..."0 007 42 maxInt minInt 1.5 1. .5 1e3 2.5e-2 10ms 1.5h 1d12h 2w 1h30m 3us".split(" "),
  '"text"',
  '"\\t\\"q\\\\ \\u00e9"',
  "`raw\\d`",
  "``",
];
const NUMBERS = "0 42 1.5 .5 1e3 10ms 1.5h 1d12h".split(" ");

/** Texts of the whole grammar, with operators in all orders and parentheses here and there. */
class Texts {
  readonly #random: () => number;
  constructor(random: () => number) {
    this.#random = random;
  }

  query(): string {
    const hints = this.#chance(0.15) ? ` with(x=${this.#pick(STATICS)}, y_1=true)` : "";
    if (this.#chance(0.2)) return this.#pipeOperation(2) + hints;
    if (this.#chance(0.1)) return this.#scalarComparison() + hints;
    let text = this.#pipeline(2);
    if (this.#chance(0.4)) {
      text += ` | ${this.#metrics()}`;
      for (let i = this.#below(3); i > 0; i--) text += this.#second();
    }
    return text + hints;
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  #chance(p: number): boolean {
    return this.#random() < p;
  }
  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }
  #space(): string {
    return this.#pick([" ", " ", "\n", " /* c */ "]);
  }
  #maybeParens(text: string): string {
    return this.#chance(0.3) ? `(${text})` : text;
  }
  #joined(left: string, op: string, right: string): string {
    return `${left}${this.#space()}${op}${this.#space()}${right}`;
  }

  #pipeline(depth: number): string {
    const stages = [this.#chance(0.7) ? this.#spanset(depth) : this.#stage()];
    for (let i = this.#below(4); i > 0; i--) {
      const kind = this.#below(5);
      stages.push(kind === 0 ? this.#spanset(1) : kind === 1 ? "coalesce()" : this.#stage());
    }
    return stages.join(this.#pick([" | ", "|"]));
  }

  #stage(): string {
    switch (this.#below(3)) {
      case 0:
        return `by(${this.#field(2)})`;
      case 1:
        return `select(${this.#ref()}, ${this.#ref()})`;
      default:
        return `${this.#scalar(2)} ${this.#pick(COMPARE)} ${this.#scalar(1)}`;
    }
  }

  #spanset(depth: number): string {
    if (depth === 0 || this.#chance(0.3)) {
      return this.#chance(0.1) ? "{}" : `{${this.#space()}${this.#field(3)} }`;
    }
    const text = this.#joined(
      this.#spanset(depth - 1),
      this.#pick(SET_OPS),
      this.#spanset(depth - 1),
    );
    return this.#maybeParens(text);
  }

  /** Parenthesised pipelines as operands, beside spansets. */
  #pipeOperation(depth: number): string {
    const operand = (): string => {
      if (depth > 0 && this.#chance(0.3)) return `(${this.#pipeOperation(depth - 1)})`;
      return this.#chance(0.5) ? `(${this.#pipeline(1)})` : this.#spanset(1);
    };
    return this.#joined(`(${this.#pipeline(1)})`, this.#pick(SET_OPS), operand());
  }

  #scalarComparison(): string {
    const side = () => `(${this.#pipeline(1)} | ${this.#aggregate()})`;
    const left = this.#chance(0.3) ? `${side()} ${this.#pick(ARITHMETIC)} ${side()}` : side();
    return `${left} ${this.#pick(COMPARE)} ${this.#chance(0.5) ? side() : this.#pick(NUMBERS)}`;
  }

  #scalar(depth: number): string {
    if (depth === 0 || this.#chance(0.4)) {
      if (this.#chance(0.6)) return this.#aggregate();
      return `${this.#chance(0.3) ? "-" : ""}${this.#pick(NUMBERS)}`;
    }
    const text = this.#joined(
      this.#scalar(depth - 1),
      this.#pick(ARITHMETIC),
      this.#scalar(depth - 1),
    );
    return this.#maybeParens(text);
  }

  #aggregate(): string {
    const fn = this.#pick(["count", "min", "max", "avg", "sum"]);
    return fn === "count" ? "count()" : `${fn}(${this.#field(2)})`;
  }

  #field(depth: number): string {
    if (depth === 0 || this.#chance(0.25))
      return this.#chance(0.5) ? this.#ref() : this.#pick(STATICS);
    switch (this.#below(8)) {
      case 0:
        return `${this.#pick(["-", "!"])}${this.#maybeParens(this.#field(depth - 1))}`;
      case 1:
        return `${this.#field(depth - 1)} ${this.#pick(["=", "!="])} nil`;
      case 2:
        return `(nil ${this.#pick(["=", "!="])} ${this.#field(depth - 1)})`;
      default:
        return this.#maybeParens(
          this.#joined(this.#field(depth - 1), this.#pick(FIELD_OPS), this.#field(depth - 1)),
        );
    }
  }

  #ref(): string {
    switch (this.#below(4)) {
      case 0:
        return this.#pick([...BARE_INTRINSICS.keys()]);
      case 1:
        return this.#pick([...SCOPED_INTRINSICS.keys()]);
      default:
        return this.#pick(SCOPES.split(" ")) + this.#pick(KEYS);
    }
  }

  #metrics(): string {
    const by = this.#chance(0.5) ? ` by(${this.#ref()}, ${this.#ref()})` : "";
    switch (this.#below(4)) {
      case 0:
        return `${this.#pick([...METRICS_WITHOUT_FIELD.keys()])}()${by}`;
      case 1:
        return `${this.#pick([...METRICS_OF_FIELD.keys()])}(${this.#ref()})${by}`;
      case 2:
        return `quantile_over_time(${this.#ref()}, .5, 1, 0.999)${by}`;
      default:
        return `compare({ ${this.#field(2)} }${this.#pick(["", ", 5", ", 5, 1, 2"])})`;
    }
  }

  #second(): string {
    return this.#chance(0.5)
      ? ` | ${this.#pick(["topk", "bottomk"])}(${1 + this.#below(9)})`
      : ` ${this.#pick(COMPARE)} ${this.#chance(0.3) ? "-" : ""}${this.#pick(NUMBERS)}`;
  }
}

test(`a printed query has the tree of the query it was printed from (seed ${SEED})`, () => {
  const texts = new Texts(seededRandom(SEED));
  for (let i = 0; i < 4000; i++) {
    const text = texts.query();
    const query = parseQuery(text);
    const printed = printQuery(query);
    expect(parseQuery(printed), text).toEqual(query);
    expect(printQuery(parseQuery(printed)), text).toBe(printed);
  }
});
