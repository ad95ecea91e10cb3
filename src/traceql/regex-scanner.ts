import { TraceQLError } from "./traceql-error.ts";
import { UNICODE_CATEGORIES, UNICODE_SCRIPTS } from "./unicode-names.ts";

/** RE2's bound on a count and on the product of nested counts. */
const MAX_REPEAT = 1000;
const MAX_NESTING = 200;
/**
 * Instructions of the compiled program. RE2 as DuckDB sets it up refuses at about 700 000; long
 * before that a program runs so slowly that a scan would not end in time.
 */
const MAX_PROGRAM = 100_000;

/** Instructions an element compiles to, rounded up; measured on the RE2 that DuckDB carries. */
const COST = { ascii: 6, other: 12, dot: 12, negatedPerl: 20, script: 700, category: 1600 };

/** What a piece of a pattern costs, and the largest product of counts nested in it. */
type Piece = { cost: number; repeat: number };

type Group = { pieces: Piece[]; repeatable: boolean };

/**
 * Checks a pattern by RE2's grammar as DuckDB uses it, narrowed to what Go's regexp also takes.
 * One pass from left to right; groups are kept on an own stack, so nesting costs no recursion.
 */
export class RegexScanner {
  readonly #pattern: string;
  #at = 0;
  #groups: Group[] = [{ pieces: [], repeatable: false }];
  readonly #names = new Set<string>();
  #out = "";

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** The pattern with named groups written as plain ones, which every RE2 takes. */
  scan(): string {
    while (this.#at < this.#pattern.length) {
      const from = this.#at;
      const replaced = this.#element(this.#pattern[this.#at]!);
      this.#out += replaced ?? this.#pattern.slice(from, this.#at);
      if (this.#groups.reduce((sum, group) => sum + costOf(group.pieces), 0) > MAX_PROGRAM) {
        throw this.#error("expression too large", this.#pattern);
      }
    }
    if (this.#groups.length > 1) throw this.#error("missing closing )", this.#pattern);
    return this.#out;
  }

  #error(problem: string, at: string): TraceQLError {
    const shown = at.length > 60 ? `${at.slice(0, 60)}…` : at;
    return new TraceQLError(`invalid regex: ${problem}: \`${shown}\``);
  }

  get #group(): Group {
    return this.#groups[this.#groups.length - 1]!;
  }

  #push(cost: number): void {
    const { pieces } = this.#group;
    pieces.push({ cost, repeat: 1 });
    this.#group.repeatable = true;
    // What lies before the last piece is never looked at one by one again.
    if (pieces.length > 2) {
      const [first, second] = pieces.splice(0, 2) as [Piece, Piece];
      pieces.unshift({
        cost: first.cost + second.cost,
        repeat: Math.max(first.repeat, second.repeat),
      });
    }
  }

  /** Reads one element; returns what to write instead of its text, if anything. */
  #element(c: string): string | undefined {
    switch (c) {
      case "(":
        return this.#openGroup();
      case ")":
        this.#closeGroup();
        return undefined;
      case "|":
        this.#at++;
        this.#group.pieces.push({ cost: 1, repeat: 1 });
        this.#mergeAll();
        this.#group.repeatable = false;
        return undefined;
      case "*":
      case "+":
      case "?":
        this.#at++;
        this.#repeat(c, 1);
        return undefined;
      case "{":
        this.#counted();
        return undefined;
      case "[":
        this.#class();
        return undefined;
      case "\\":
        this.#escape();
        return undefined;
      case ".":
        this.#at++;
        this.#push(COST.dot);
        return undefined;
      default: {
        const point = this.#pattern.codePointAt(this.#at)!;
        this.#at += point > 0xffff ? 2 : 1;
        this.#push(point < 0x80 ? COST.ascii : COST.other);
        return undefined;
      }
    }
  }

  #mergeAll(): void {
    const { pieces } = this.#group;
    this.#group.pieces = [
      { cost: costOf(pieces), repeat: Math.max(1, ...pieces.map((p) => p.repeat)) },
    ];
  }

  #openGroup(): string | undefined {
    const rest = this.#pattern.slice(this.#at, this.#at + 300);
    let written: string | undefined;
    if (rest.startsWith("(?")) {
      const named = /^\(\?P?<([^>]*)>/.exec(rest);
      const flags = /^\(\?([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest);
      if (named !== null) {
        const name = named[1]!;
        if (!/^[A-Za-z0-9_]+$/.test(name)) throw this.#error("invalid named capture", named[0]);
        if (this.#names.has(name)) throw this.#error("duplicate capture group name", named[0]);
        this.#names.add(name);
        this.#at += named[0].length;
        written = "(";
      } else if (flags !== null) {
        this.#at += flags[0].length;
        if (flags[3] === ")") {
          this.#group.repeatable = false;
          return undefined;
        }
      } else {
        throw this.#error(
          "invalid or unsupported Perl syntax (no look-around, no back-references)",
          rest.slice(0, 4),
        );
      }
    } else {
      this.#at++;
    }
    if (this.#groups.length > MAX_NESTING) {
      throw this.#error(`more than ${MAX_NESTING} nested groups`, this.#pattern);
    }
    this.#groups.push({ pieces: [], repeatable: false });
    return written;
  }

  #closeGroup(): void {
    if (this.#groups.length === 1) throw this.#error("unexpected )", this.#pattern);
    this.#at++;
    this.#mergeAll();
    const [piece] = this.#groups.pop()!.pieces as [Piece];
    this.#push(piece.cost + 2);
    this.#group.pieces[this.#group.pieces.length - 1]!.repeat = piece.repeat;
  }

  /** `{n}`, `{n,}` or `{n,m}`; anything else that begins with a brace is a literal brace. */
  #counted(): void {
    const match = /^\{([0-9]+)(?:(,)([0-9]*))?\}/.exec(
      this.#pattern.slice(this.#at, this.#at + 300),
    );
    if (match === null) {
      this.#at++;
      this.#push(COST.ascii);
      return;
    }
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === "" ? -1 : Number(match[3]);
    if (min > MAX_REPEAT || max > MAX_REPEAT || (max !== -1 && max < min)) {
      throw this.#error(`invalid repeat count, the limit is ${MAX_REPEAT}`, match[0]);
    }
    this.#repeat(match[0], Math.max(1, max === -1 ? min : max));
  }

  #repeat(op: string, count: number): void {
    const { pieces, repeatable } = this.#group;
    const piece = pieces[pieces.length - 1];
    if (!repeatable || piece === undefined) {
      throw this.#error("missing argument to repetition operator", op);
    }
    piece.cost = (piece.cost + 2) * count;
    piece.repeat *= count;
    if (piece.repeat > MAX_REPEAT) {
      throw this.#error(`invalid repeat count, nested counts multiply beyond ${MAX_REPEAT}`, op);
    }
    if (this.#pattern[this.#at] === "?") this.#at++;
    const next = this.#pattern.slice(this.#at, this.#at + 20);
    if (/^(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})/.test(next)) {
      throw this.#error("invalid nested repetition operator", op + next.slice(0, 1));
    }
  }

  /** An escape outside a class, `text[at]` being its backslash. */
  #escape(): void {
    const c = this.#pattern[this.#at + 1];
    if (c === undefined)
      throw this.#error("trailing backslash at end of expression", this.#pattern);
    if (c === "Q") {
      const end = this.#pattern.indexOf("\\E", this.#at + 2);
      const literal = this.#pattern.slice(this.#at + 2, end === -1 ? undefined : end);
      this.#at += literal.length + (end === -1 ? 2 : 4);
      for (const _ of literal) this.#push(COST.other);
      return;
    }
    if ("AzbB".includes(c)) {
      this.#at += 2;
      this.#push(2);
      return;
    }
    this.#push(this.#classEscape() ?? this.#characterEscape());
  }

  /** Cost of `\d`, `\pL` and the like; undefined when another escape stands here. */
  #classEscape(): number | undefined {
    const c = this.#pattern[this.#at + 1]!;
    if ("dswDSW".includes(c)) {
      this.#at += 2;
      return COST.negatedPerl;
    }
    if (c !== "p" && c !== "P") return undefined;
    const match = /^\\[pP](?:([A-Za-z])|\{\^?([A-Za-z_]+)\})/.exec(
      this.#pattern.slice(this.#at, this.#at + 60),
    );
    const name = match?.[1] ?? match?.[2] ?? "";
    const script = UNICODE_SCRIPTS.has(name);
    if (match === null || (!script && !UNICODE_CATEGORIES.has(name))) {
      throw this.#error("invalid character class", this.#pattern.slice(this.#at, this.#at + 20));
    }
    this.#at += match[0].length;
    return script ? COST.script : COST.category;
  }

  #characterEscape(): number {
    this.#readEscaped();
    return COST.other;
  }

  /** The code point of an escaped character; moves behind it. */
  #readEscaped(): number {
    const rest = this.#pattern.slice(this.#at, this.#at + 40);
    const hex = /^\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})/.exec(rest);
    const octal = /^\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest);
    const simple = /^\\([afnrtv])/.exec(rest);
    const punctuation = /^\\([!-/:-@[-`{-~])/.exec(rest);
    const match = hex ?? octal ?? simple ?? punctuation;
    let point = Number.NaN;
    if (hex !== null) point = Number.parseInt(hex[1] ?? hex[2]!, 16);
    else if (octal !== null) point = Number.parseInt(octal[1]!, 8);
    else if (simple !== null) point = SIMPLE[simple[1]!]!;
    else if (punctuation !== null) point = punctuation[1]!.charCodeAt(0);
    if (match === null || !(point <= 0x10ffff)) {
      throw this.#error("invalid escape sequence", rest.slice(0, 3));
    }
    this.#at += match[0].length;
    return point;
  }

  /** `[…]`, its first character being at `text[at]`. */
  #class(): void {
    const from = this.#at;
    const missing = () => this.#error("missing closing ]", this.#pattern.slice(from));
    this.#at++;
    let cost: number = COST.ascii;
    if (this.#pattern[this.#at] === "^") {
      this.#at++;
      cost += 30;
    }
    for (let first = true; ; first = false) {
      const c = this.#pattern[this.#at];
      if (c === undefined) throw missing();
      if (c === "]" && !first) break;
      cost += this.#classItem(missing);
    }
    this.#at++;
    this.#push(cost);
  }

  #classItem(missing: () => TraceQLError): number {
    if (this.#pattern.startsWith("[:", this.#at)) {
      const end = this.#pattern.indexOf(":]", this.#at + 2);
      if (end !== -1) {
        const name = this.#pattern.slice(this.#at, end + 2);
        if (!POSIX_CLASSES.has(name.replace("[:^", "[:"))) {
          throw this.#error("invalid character class range", name);
        }
        this.#at = end + 2;
        return COST.negatedPerl;
      }
    }
    if (this.#pattern[this.#at] === "\\" && this.#at + 1 < this.#pattern.length) {
      const cost = this.#classEscape();
      if (cost !== undefined) return cost;
    }
    const from = this.#at;
    const low = this.#classCharacter(missing);
    let high = low;
    if (this.#pattern[this.#at] === "-" && this.#pattern[this.#at + 1] !== "]") {
      this.#at++;
      high = this.#classCharacter(missing);
      if (high < low) {
        throw this.#error("invalid character class range", this.#pattern.slice(from, this.#at));
      }
    }
    return high < 0x80 ? COST.ascii : COST.other * 2;
  }

  #classCharacter(missing: () => TraceQLError): number {
    const point = this.#pattern.codePointAt(this.#at);
    if (point === undefined) throw missing();
    if (point === 0x5c) {
      if (this.#at + 1 >= this.#pattern.length) throw missing();
      return this.#readEscaped();
    }
    this.#at += point > 0xffff ? 2 : 1;
    return point;
  }
}

function costOf(pieces: readonly Piece[]): number {
  let cost = 0;
  for (const piece of pieces) cost += piece.cost;
  return cost;
}

const SIMPLE: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

const POSIX_CLASSES: ReadonlySet<string> = new Set(
  "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit"
    .split(" ")
    .map((name) => `[:${name}:]`),
);
